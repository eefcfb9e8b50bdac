"""Seals the content of an event under the key of its subject, and opens it: the member ``subject`` of the plaintext."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag

from telemetry.exceptions import MalformedRecordError, SubjectKeyMissingError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.value.jwe import IV_BYTES, TAG_BYTES
from telemetry.format.value.subject.split import require_split
from telemetry.format.value.subject.subject_key import SubjectKey

_MEMBER = b',"subject":{"key":"'
_SEALED = b'","sealed":"'
_END = b'"}}'
# It is the last member, so two braces end it and the event. Deeper in the payload at least three would follow.
_FORM = re.compile(rb',"subject":\{"key":"([A-Za-z0-9_-]{32})","sealed":"([A-Za-z0-9_-]+)"\}\} {0,2}')
_OPENED = b',"subject":{"key":"%b"}}'
FORGOTTEN_USER = "forgotten"
"""User id of an event whose subject was forgotten, as an event without a user has ``anonymous``; ``is_forgotten`` is what counts."""
_FORGOTTEN = b',"user_id":"forgotten","payload":null,"subject":{"key":"%b","forgotten":true}}'

SUBJECT_FRAME_BYTES = len(_MEMBER) + 32 + len(_SEALED) + len(_END)
"""The most that the member takes beside the sealed content."""


class SubjectPart(NamedTuple):
    """The plaintext of an event with a subject, in its parts.

    Attributes:
        beside: Everything before the member ``subject``; the associated data of the content.
        key_id: Id of the subject key.
        sealed: Initialization vector, ciphertext and tag of the content.
    """

    beside: bytes
    key_id: str
    sealed: bytes


class SubjectFinder(Protocol):
    """Finds the keys of subjects for a reader."""

    def key_of(self, key_id: str) -> SubjectKey | None:
        """Return the key; None if it was destroyed, because the subject was forgotten.

        Raises:
            KeyServiceError: The store of the keys has never had it, or does not answer.
        """

    def source_of(self, key_id: str) -> str:
        """Return the source whose subject a destroyed key was of.

        Raises:
            KeyServiceError: The store of the keys does not answer.
        """


def with_content(beside: bytes, content: bytes, *, key: SubjectKey, iv: bytes) -> bytes:
    """Return the plaintext of an event with a subject, without spaces at its end.

    Args:
        beside: The event up to its last open member, without the brace at the end.
        content: The other members as a JSON object.
        key: Key of the subject.
        iv: 96 random bits that were never used with this key before.
    """
    sealed = canonical_base64.encode_url(iv + key.cipher.encrypt(iv, content, beside))
    return b"".join((beside, _MEMBER, key.key_id.encode(), _SEALED, sealed, _END))


def subject_part(plaintext: bytes) -> SubjectPart | None:
    """Return the parts of a plaintext; None if the event has no subject.

    Raises:
        MalformedRecordError: The content is not in canonical base64url, or too short.
    """
    at = plaintext.rfind(_MEMBER)
    match = _FORM.fullmatch(plaintext, at) if at >= 0 else None
    if match is None:
        return None
    sealed = canonical_base64.decode_url(match[2])
    if len(sealed) <= IV_BYTES + TAG_BYTES:
        message = "the content of the event is shorter than its initialization vector and tag"
        raise MalformedRecordError(message)
    return SubjectPart(plaintext[:at], match[1].decode(), sealed)


def joined(part: SubjectPart, subjects: SubjectFinder | None) -> tuple[bytes, SubjectKey | None]:
    """Return an event with a subject as one JSON object, and the subject's key.

    1. The key is found by its id, which commits to it; one that was destroyed is None.
    2. The tag matches the content, and everything that is beside it.
    3. Each member is in its own part.

    Args:
        part: From :func:`subject_part`.
        subjects: Finds the key; None where no store is configured.

    Raises:
        TamperedError: Step 2 or 3 fails.
        KeyServiceError: The key is not available, and was not destroyed.
    """
    # 1.
    if subjects is None:
        message = (
            "the content of the event is sealed under a key of its subject: configure audit_config.subject_keys with the "
            "store in which the service keeps these keys"
        )
        raise SubjectKeyMissingError(message)
    key = subjects.key_of(part.key_id)
    name = part.key_id.encode()
    if key is None:
        require_split(part.beside + b"}", None)
        return part.beside + _FORGOTTEN % name, None
    # 2.
    try:
        content = key.cipher.decrypt(part.sealed[:IV_BYTES], part.sealed[IV_BYTES:], part.beside)
    except InvalidTag as exc:
        message = "the content of the event was altered, or sealed with another key (its GCM tag does not match)"
        raise TamperedError(message) from exc
    # 3.
    require_split(part.beside + b"}", content)
    if not content.startswith(b'{"') or not content.endswith(b"}"):
        message = "the content of the event is not in the form this format prescribes"
        raise MalformedRecordError(message)
    return b"".join((part.beside, b",", content[1:-1], _OPENED % name)), key

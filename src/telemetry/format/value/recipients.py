"""Names the further forms in which a data key was wrapped: for a second key service, or for an offline recovery key.

They are in the clear attribute ``recipients`` of a record in every 512, the first one of a data key among them, as
``URI BASE64 URI BASE64``. The sealed event carries the digest of that text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64

ATTRIBUTE = "recipients"
MAX_RECIPIENTS = 4
MAX_CHARACTERS = 16 << 10
"""Of the whole text; a wrapped key of a cloud has a few hundred."""

_DIGEST_PREFIX = b"telemetry recipients v1\x00"


class Wrap(NamedTuple):
    """A data key as one key wrapped it.

    Attributes:
        wrapped: The wrapped data key.
        key_uri: URI of the key that wrapped it.
    """

    wrapped: bytes
    key_uri: str


def render_recipients(wraps: Sequence[Wrap]) -> str:
    """Return the attribute's text."""
    return " ".join(f"{wrap.key_uri} {canonical_base64.encode(wrap.wrapped)}" for wrap in wraps)


def parse_recipients(text: str) -> tuple[Wrap, ...]:
    """Return the further wraps of a record.

    Raises:
        MalformedRecordError: The text is not in the one form that :func:`render_recipients` gives it.
    """
    words = text.split(" ") if len(text) <= MAX_CHARACTERS else []
    uris, encoded = words[::2], words[1::2]
    decoded = [canonical_base64.decode(word) for word in encoded]
    wraps = tuple(Wrap(wrapped, uri) for wrapped, uri in zip(decoded, uris, strict=False) if wrapped and uri)
    if not 0 < len(wraps) <= MAX_RECIPIENTS or 2 * len(wraps) != len(words):
        message = "the attribute 'recipients' is not in the form this format prescribes"
        raise MalformedRecordError(message)
    return wraps


def recipients_digest(text: str) -> str:
    """Return the digest of the attribute's text that the sealed event carries: base64url(SHA-256)."""
    return canonical_base64.encode_url(hashlib.sha256(_DIGEST_PREFIX + text.encode()).digest()).decode()

"""Seals the content of an event under the key of its subject, while the process may use that key."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import Future
from typing import Protocol

from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.exceptions import EncryptionError
from telemetry.format.value.jwe import IV_BYTES, TAG_BYTES
from telemetry.format.value.subject.content import SUBJECT_FRAME_BYTES, with_content
from telemetry.format.value.subject.subject_key import SubjectKey

_KAFKA_KEY = b',"kafka_key":"%b"'
_KAFKA_KEY_BYTES = len(_KAFKA_KEY) - len(b"%b") + 64


class Subjects(Protocol):
    """The keys of the subjects of one service."""

    def take(self, user_id: str) -> SubjectKey | None:
        """Return the key of a subject, if it is here and the process may use it now; else None."""

    def still_holds(self, key: SubjectKey) -> bool:
        """Return whether the process may still use a key."""

    def request(self, user_ids: Collection[str]) -> Future[None]:
        """Fetch keys without blocking; the future ends when :meth:`take` has them, or with the reason why not."""

    def missing(self) -> EncryptionError:
        """Return why there is no key."""


class ServiceSubjects(Protocol):
    """The keys of the subjects of all services that a process logs for."""

    def of(self, source: str) -> Subjects:
        """Return those of the service with this CloudEvents source."""


class Prepared:
    """What is the same in all events of one subject, kept with its key.

    Args:
        user_and_service: The Kafka key as it would be in the clear.
        key: Key of the subject.

    Attributes:
        user_and_service: As given.
        kafka_key: Kafka key of the events.
        member: The same as a member of the event, after its comma.
    """

    __slots__ = ("kafka_key", "member", "user_and_service")

    def __init__(self, user_and_service: bytes, key: SubjectKey) -> None:
        self.user_and_service = user_and_service
        self.kafka_key = key.kafka_key(user_and_service)
        self.member = _KAFKA_KEY % self.kafka_key


def prepared_of(key: SubjectKey, user_and_service: bytes) -> Prepared:
    """Return what is the same in all events of a subject."""
    prepared: Prepared | None = key.template
    if prepared is None or prepared.user_and_service != user_and_service:
        key.template = prepared = Prepared(user_and_service, key)
    return prepared


def size_with_content(draft: SubjectDraft) -> int:
    """Return the bytes of an event once its content is sealed: base64 makes four of three."""
    content = len(draft.json_after_sequence) - draft.content_at + IV_BYTES + TAG_BYTES
    return draft.content_at + _KAFKA_KEY_BYTES + SUBJECT_FRAME_BYTES + (content * 4 + 2) // 3


def sealed_content(draft: SubjectDraft, beside: bytes, *, key: SubjectKey, iv: bytes) -> bytes:
    """Return the plaintext of an event.

    Args:
        draft: The event.
        beside: Everything before its content, the Kafka key too.
        key: Key of the subject.
        iv: 96 random bits that were never used with this key.
    """
    # The content begins with the comma after what is beside it.
    content = b"{" + draft.json_after_sequence[draft.content_at + 1 :]
    return with_content(beside, content, key=key, iv=iv)

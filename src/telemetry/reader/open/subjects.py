"""Finds the keys of subjects for a reader, and tells one that was destroyed from one that was never there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, Self

from telemetry.exceptions import SubjectKeyMissingError
from telemetry.format.value.message import source_of
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.system.clock import Clock

if TYPE_CHECKING:
    from types import TracebackType

    from telemetry.config import TelemetryConfig
    from telemetry.encryption import EncryptionProvider


_FRESH_SECONDS = 1.0
"""How long a key is used before the store is asked again, which forgets keys after a time of its own."""
_MOST_FRESH = 4_096


class StoredSubjects(Protocol):
    """The store of the keys of subjects, as a reader sees it."""

    def find(self, user_id: str, *, source: str) -> list[str]:
        """Return the ids of the keys that a user has now; none for one who was forgotten."""

    def open(self, key_ids: Iterable[str]) -> Mapping[str, object]:
        """Return for each id the key, or a ``ForgottenSubject``, or an ``UnknownSubject``.

        Raises:
            KeyServiceError: The store or the key service is not available.
        """

    def close(self) -> None:
        """Forget the keys."""


class KnownSubjects:
    """The keys of the subjects in a trail; a ``SubjectFinder`` of the format.

    Args:
        store: Has them.
        clock: Monotonic seconds.
    """

    def __init__(self, store: StoredSubjects, *, clock: Clock = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        # Asking the store takes a lock and a look at the age of each key; the records of a second have few of them.
        self._fresh: dict[str, SubjectKey | None] = {}
        self._fresh_until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def key_of(self, key_id: str) -> SubjectKey | None:
        """Return a key; None if it was destroyed, because the subject was forgotten.

        Raises:
            SubjectKeyMissingError: The store has never had it.
            KeyServiceError: The store or the key service is not available.
        """
        if self._clock() >= self._fresh_until or len(self._fresh) >= _MOST_FRESH:
            self._fresh.clear()
            self._fresh_until = self._clock() + _FRESH_SECONDS
        try:
            return self._fresh[key_id]
        except KeyError:  # one look instead of two: another thread may clear it between them
            found = self._fresh[key_id] = self._found(key_id)
            return found

    def source_of(self, key_id: str) -> str:
        """Return the source whose subject a destroyed key was of; raises as :meth:`key_of` does."""
        return str(getattr(self._store.open([key_id])[key_id], "source", ""))

    def kafka_keys(self, user_id: str, *, environment: str, service_name: str) -> list[bytes]:
        """Return the Kafka keys that a user's events with a subject have; none for one who was forgotten.

        Args:
            user_id: The user, as the service logs it.
            environment: Environment of the service.
            service_name: Name of the service.

        Raises:
            KeyServiceError: The store or the key service is not available.
        """
        found = self._store.open(self._store.find(user_id, source=source_of(environment, service_name)))
        named = f"{user_id}:{service_name}".encode()
        return [key.kafka_key(named) for key in found.values() if isinstance(key, SubjectKey)]

    def close(self) -> None:
        """Forget the keys."""
        self._fresh.clear()
        self._store.close()

    def _found(self, key_id: str) -> SubjectKey | None:
        found = self._store.open([key_id])[key_id]
        if isinstance(found, SubjectKey):
            return found
        # A trail without such keys does not load this.
        from telemetry.encryption.subjects.opening import ForgottenSubject  # noqa: PLC0415

        if isinstance(found, ForgottenSubject):
            return None
        reason = getattr(found, "reason", "") or "it has never had such a key"
        message = (
            f"the subject store does not give the key {key_id}: {reason}; name the store in which the service keeps its keys "
            "(audit_config.subject_keys), or restore it: the event was not forgotten"
        )
        raise SubjectKeyMissingError(message)


def subjects_of(config: TelemetryConfig, provider: EncryptionProvider | None) -> KnownSubjects | None:
    """Return the keys of the subjects of a trail; None where the configuration names no store, or nothing is opened.

    Args:
        config: The configuration of the service, or of a reader.
        provider: Unwraps the keys that the store has.
    """
    if provider is None or config.audit_config.subject_keys is None:
        return None
    # A trail without such keys does not load this.
    from telemetry.encryption.subjects.opening import subject_keys_of  # noqa: PLC0415

    store = subject_keys_of(config, provider)
    return KnownSubjects(store) if store is not None else None

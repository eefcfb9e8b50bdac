"""Defines every error that this library raises on purpose, in one tree.

    TelemetryError
    ├── ConfigurationError            the configuration cannot work; carries every problem found
    │   └── MissingExtraError         an optional dependency is not installed
    ├── LifecycleError                log() before start() or after shutdown()
    │   └── NoTransactionError        an event for the outbox outside a transaction; nothing was written
    ├── EventError                    the event cannot be accepted; nothing was logged
    │   └── EventTooLargeError
    ├── BackpressureError             the queue stayed full for queue_full_timeout_ms
    ├── UndeliveredError              shutdown() could not keep some accepted events anywhere
    ├── InputError                    the input of `telemetry log` cannot be read as events
    ├── ReadNotRecordedError          the trail was not opened, because the read could not be recorded in it
    ├── EncryptionError               sealing or opening failed
    │   └── KeyServiceError           the key service (KMS) refused or did not answer
    │       ├── KeyAccessDeniedError
    │       │   └── KeyCredentialsError   expired, withdrawn or absent credentials
    │       ├── KeyNotFoundError
    │       ├── KeyDisabledError      disabled, pending deletion or destroyed
    │       ├── KeyThrottledError
    │       ├── KeyUnreachableError
    │       ├── SubjectKeyMissingError  the key of a subject is not known here, and was not forgotten
    │       ├── WrapNotSeenError      no record read so far names a wrap that the reader's keys open
    │       ├── UnknownKeysError      not asked: too many keys of forged records came before
    │       ├── SubjectStoreError     the store of the subjects' keys refused or did not answer
    │       │   └── SubjectTableError  its tables are absent, of another version, altered, or may not be used
    │       └── KeyMismatchError      wrong key, other context, or altered wrapped key
    │           └── KeyNotListedError the configuration lists no such key; the key service was not called
    ├── LegalHoldError                a legal hold refuses that events are redacted
    ├── SubjectHeldError              a legal hold refuses that a subject is forgotten
    ├── TransportError                Kafka refused or did not answer
    │   ├── TransportAuthenticationError
    │   ├── TransportAuthorizationError
    │   ├── TransportTLSError
    │   ├── RecordTooLargeError
    │   └── UnknownTopicError
    ├── StorageError                  the fallback store refused or did not answer
    │   ├── StorageAccessDeniedError
    │   │   └── StorageCredentialsError  expired or withdrawn credentials
    │   ├── StorageNotFoundError
    │   ├── StorageConflictError      the name exists with other content
    │   ├── StorageFullError
    │   ├── StorageLimitError         a name or a size outside what is stored
    │   └── StorageUnreachableError
    ├── ArchiveError                  an archive, its table or its catalog cannot be read or changed
    │   ├── ArchiveConflictError      another writer has committed first; nothing of this commit is in the archive
    │   ├── ArchiveFileError          a data file is not what an archive has (also a FormatError)
    │   └── ArchiveStateError         it is not in the state that the step needs; nothing was changed
    ├── TargetError                   a target of `telemetry forward` refused or did not answer
    │   ├── TargetAwayError           it cannot be reached, or asks to wait
    │   └── TargetRefusedError        it refuses everything: credentials, address or settings are wrong
    ├── TimestampError                a time-stamping authority refused or did not answer
    ├── SpoolError                    the spool cannot be written or read
    ├── OutboxError                   the database of the outbox refused or did not answer
    │   └── OutboxTableError          its table is absent, of another version, or may not be used
    ├── FormatError                   bytes do not follow the published format
    │   ├── MalformedRecordError      (also a TamperedError)
    │   └── NewerReaderNeededError    an event of a later version of the format
    └── VerificationError
        ├── TamperedError
        │   ├── ConflictError         two records claim one place in a stream, or two calls one value
        │   └── SecondHistoryError    a witness refuses: what it saw before is not the past of what it sees now
        └── IncompleteError

Each class has two attributes: ``retriable`` (the same call may succeed later) and ``exit_code`` (the exit
code of the ``telemetry`` command). No message ever contains a payload, a key, a passphrase or a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ArchiveConflictError",
    "ArchiveError",
    "ArchiveFileError",
    "ArchiveStateError",
    "BackpressureError",
    "ConfigurationError",
    "ConflictError",
    "EncryptionError",
    "EventError",
    "EventTooLargeError",
    "FormatError",
    "IncompleteError",
    "InputError",
    "KeyAccessDeniedError",
    "KeyCredentialsError",
    "KeyDisabledError",
    "KeyMismatchError",
    "KeyNotFoundError",
    "KeyNotListedError",
    "KeyServiceError",
    "KeyThrottledError",
    "KeyUnreachableError",
    "LegalHoldError",
    "LifecycleError",
    "MalformedRecordError",
    "MissingExtraError",
    "NewerReaderNeededError",
    "NoTransactionError",
    "OutboxError",
    "OutboxTableError",
    "Problem",
    "ReadNotRecordedError",
    "RecordTooLargeError",
    "SecondHistoryError",
    "SpoolError",
    "StorageAccessDeniedError",
    "StorageConflictError",
    "StorageCredentialsError",
    "StorageError",
    "StorageFullError",
    "StorageLimitError",
    "StorageNotFoundError",
    "StorageUnreachableError",
    "SubjectHeldError",
    "SubjectKeyMissingError",
    "SubjectStoreError",
    "SubjectTableError",
    "TamperedError",
    "TargetAwayError",
    "TargetError",
    "TargetRefusedError",
    "TelemetryError",
    "TimestampError",
    "TransportAuthenticationError",
    "TransportAuthorizationError",
    "TransportError",
    "TransportTLSError",
    "UndeliveredError",
    "UnknownKeysError",
    "UnknownTopicError",
    "VerificationError",
    "WrapNotSeenError",
]


class TelemetryError(Exception):
    """Base class of every error raised by this library."""

    retriable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration.

    Attributes:
        field: Dotted path of the field, as written in Python and TOML.
        reason: What is wrong, never with a secret's value.
        remedy: What to do about it.
    """

    field: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.field}: {self.reason}" if self.field else self.reason
        return f"{text} ({self.remedy})" if self.remedy else text


class ConfigurationError(TelemetryError, ValueError):
    """The configuration cannot work. Every problem found is in ``problems``.

    It is a ``ValueError`` too, so that a problem inside a nested model is collected with the others.
    """

    exit_code = 2

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: Sequence[Problem] = tuple(
            problem if isinstance(problem, Problem) else Problem("", problem) for problem in problems
        )
        super().__init__(self._message())

    def _message(self) -> str:
        if len(self.problems) == 1:
            return str(self.problems[0])
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"{len(self.problems)} problems in the configuration:{lines}"

    def __reduce__(self) -> tuple[type[ConfigurationError], tuple[Problem, ...]]:
        return type(self), tuple(self.problems)


class MissingExtraError(ConfigurationError):
    """An optional dependency is not installed; the message names the extra to install."""

    def __init__(self, feature: str, extra: str) -> None:
        self.feature = feature
        self.extra = extra
        super().__init__(
            Problem("", f"{feature} needs an extra that is not installed", f"pip install 'telemetry-audit[{extra}]'")
        )

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:  # type: ignore[override]
        return type(self), (self.feature, self.extra)


class LifecycleError(TelemetryError):
    """The call does not fit the state: before ``start()`` or after ``shutdown()``."""


class NoTransactionError(LifecycleError):
    """An event for the outbox outside a transaction of the database: it could exist without the change it tells of."""


class EventError(TelemetryError):
    """The event cannot be accepted. Nothing was logged; the message names the path, never the value."""

    exit_code = 2


class EventTooLargeError(EventError):
    """The event is larger than ``max_event_bytes``."""


class InputError(TelemetryError):
    """An input cannot be read on. What came before was logged; the message says where it is, never what it contains."""

    exit_code = 2


class BackpressureError(TelemetryError):
    """The queue stayed full for ``queue_full_timeout_ms``. The event was not accepted."""

    retriable = True
    exit_code = 7


class UndeliveredError(TelemetryError):
    """Some accepted events could not be kept anywhere: ``count`` of them, with these ``event_ids``."""

    exit_code = 7

    def __init__(self, message: str, *, count: int = 0, event_ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.count = count
        self.event_ids = tuple(event_ids)


class ReadNotRecordedError(TelemetryError):
    """The trail was not opened: the event that records the read could not be written, and ``read_audit`` requires it."""

    retriable = True
    exit_code = 7


class EncryptionError(TelemetryError):
    """Sealing or opening failed."""

    exit_code = 5


class KeyServiceError(EncryptionError):
    """The key service refused or did not answer."""


class KeyAccessDeniedError(KeyServiceError):
    """The caller may not use the key; the provider's docstring lists the permissions."""


class KeyCredentialsError(KeyAccessDeniedError):
    """The credentials have expired, were withdrawn or cannot be obtained; renewed ones are read at the next call."""

    retriable = True


class KeyNotFoundError(KeyServiceError):
    """There is no such key, key ring, vault or key file."""


class KeyDisabledError(KeyServiceError):
    """The key is disabled, pending deletion, expired or destroyed."""


class KeyThrottledError(KeyServiceError):
    """The key service limits the request rate."""

    retriable = True


class KeyUnreachableError(KeyServiceError):
    """The key service did not answer in time, or answered with a server error."""

    retriable = True


class SubjectKeyMissingError(KeyServiceError):
    """The key of an event's subject is not known: no store of subject keys is configured, or the one that is never had it."""


class UnknownKeysError(KeyServiceError):
    """The key service was not asked, because too many wrapped keys before this one were not its own.

    Anyone who may write to the topic can write records with keys that nobody wrapped, and each would cost a call.

    Attributes:
        data_key: Digest that names the wrapped key.
    """

    retriable = True

    def __init__(self, message: str = "", *, data_key: bytes = b"") -> None:
        super().__init__(
            message
            or "not opened: too many unknown keys; the key service was not asked about this record's data key, because "
            "those of too many records before it were forged. Read a smaller part of the topic, or read it again"
        )
        self.data_key = data_key


class WrapNotSeenError(KeyServiceError):
    """The key that a record names does not open it, and no record read so far names another wrap of its data key.

    Records name the wraps for ``recipients`` with the first event of a data key and with one in 512 after it.

    Attributes:
        data_key: Name of the data key.
    """

    def __init__(self, message: str = "", *, data_key: bytes = b"") -> None:
        super().__init__(
            f"{message}; and no record that was read names a wrap of this data key for another key of this reader. Read "
            "from an earlier offset, if the service had recipients then"
        )
        self.data_key = data_key


class SubjectStoreError(KeyServiceError):
    """The store of the subjects' keys refused or did not answer."""

    retriable = True


class SubjectTableError(SubjectStoreError):
    """The tables of the subjects' keys are absent, of another version, altered, or may not be used."""

    retriable = False


class KeyMismatchError(KeyServiceError):
    """The wrapped key belongs to another key or another context, or was altered."""


class KeyNotListedError(KeyMismatchError):
    """A record names a KEK that is neither the configured one nor among ``previous_keys``; no key service was called."""


class LegalHoldError(TelemetryError):
    """A legal hold refuses that events of an archive are redacted; nothing was changed."""

    exit_code = 7


class SubjectHeldError(TelemetryError):
    """A legal hold refuses that a subject is forgotten; nothing was changed."""

    exit_code = 7


class TransportError(TelemetryError):
    """Kafka refused or did not answer."""

    retriable = True
    exit_code = 6


class TransportAuthenticationError(TransportError):
    """Kafka refused the credentials."""

    retriable = False


class TransportAuthorizationError(TransportError):
    """Kafka's ACLs do not allow the operation."""

    retriable = False


class TransportTLSError(TransportError):
    """The TLS handshake with Kafka failed."""

    retriable = False


class RecordTooLargeError(TransportError):
    """The record is larger than Kafka or the topic accepts."""

    retriable = False


class UnknownTopicError(TransportError):
    """The topic does not exist; ``telemetry topic create`` creates one."""

    retriable = False


class StorageError(TelemetryError):
    """The fallback store refused or did not answer."""

    retriable = True
    exit_code = 6


class StorageAccessDeniedError(StorageError):
    """The credentials do not allow the operation; the provider's docstring lists the permissions."""

    retriable = False


class StorageCredentialsError(StorageAccessDeniedError):
    """The credentials have expired or were withdrawn; renewed ones are read at the next call."""

    retriable = True


class StorageNotFoundError(StorageError):
    """There is no such object, bucket, container or folder."""

    retriable = False


class StorageConflictError(StorageError):
    """An object of that name exists with other content; objects are never overwritten."""

    retriable = False


class StorageFullError(StorageError):
    """The disk or the quota is full."""


class StorageLimitError(StorageError):
    """The object's name or size is outside what the library stores or reads."""

    retriable = False


class StorageUnreachableError(StorageError):
    """The store did not answer in time."""


class ArchiveError(TelemetryError):
    """An archive, its Iceberg table or the catalog of the table cannot be read or changed."""

    retriable = True
    exit_code = 6


class ArchiveConflictError(ArchiveError):
    """Another writer has committed first: nothing of this commit is part of the archive, and it is not tried again."""

    retriable = False


class ArchiveStateError(ArchiveError):
    """The archive is not in the state that a step needs; nothing was changed, and the message says what to do."""

    retriable = False


class TargetError(TelemetryError):
    """A target of ``telemetry forward`` refused or did not answer. Nothing that it did not acknowledge is passed over."""

    retriable = True
    exit_code = 6


class TargetAwayError(TargetError):
    """The target cannot be reached, has a fault, or asks to wait; ``retry_after`` seconds, where it said how long."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TargetRefusedError(TargetError):
    """The target refuses everything: credentials, address or settings are wrong. It is tried again, and each time said so."""


class TimestampError(TelemetryError):
    """A time-stamping authority refused or did not answer; nothing was signed."""

    retriable = True
    exit_code = 6


class SpoolError(TelemetryError):
    """The spool cannot be written or read."""

    retriable = True


class OutboxError(TelemetryError):
    """The database of the outbox refused or did not answer. No row was lost."""

    retriable = True
    exit_code = 6


class OutboxTableError(OutboxError):
    """The table of the outbox is absent, has other columns, or may not be used by the relay."""

    retriable = False
    exit_code = 2


class FormatError(TelemetryError):
    """Bytes do not follow the published format (docs/format.md)."""

    exit_code = 3


class VerificationError(TelemetryError):
    """The trail is not what it should be."""

    exit_code = 3


class TamperedError(VerificationError):
    """Something was altered, moved or swapped after it was sealed."""


class ConflictError(TamperedError):
    """Two different records claim one place in a stream, or two different calls one value; at most one is right."""


class SecondHistoryError(TamperedError):
    """A witness refuses to sign: a stream, the topic or its own log is not what it was when the witness looked before."""


class IncompleteError(VerificationError):
    """Records are missing."""

    exit_code = 4


class MalformedRecordError(FormatError, TamperedError):
    """A record that this library cannot have written: it is malformed, hence altered."""


class ArchiveFileError(ArchiveError, FormatError):
    """A data file of an archive is not what it should be: other columns, other types, other bytes, or too large."""

    retriable = False
    exit_code = 3


class NewerReaderNeededError(FormatError):
    """The event uses a feature of the format that only later versions read: it is sound, and this library is too old."""

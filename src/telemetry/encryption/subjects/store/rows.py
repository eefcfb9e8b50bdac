"""Describes what the store of subjects' keys keeps; every value of it came from outside and has its type checked."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, NoReturn

from telemetry.exceptions import SubjectTableError

State = Literal["active", "forgetting", "forgotten"]

MAX_WRAPPED = 8_192
MAX_TEXT = 20_000
MAX_SMALL = 4_096
"""Bytes of a sealed secret or of a hold; a larger value is not even read."""


class StoreKeyRow(NamedTuple):
    """A store key, as the key service wrapped it.

    Attributes:
        store_key_id: Name of the key.
        source: Source whose subjects' keys it wraps.
        wrapped: The key, wrapped by the KEK.
        key_uri: URI of the KEK.
        recipients: The key as further KEKs wrapped it; empty without any.
        created_ms: When it was created, in milliseconds since 1970 by the store's clock.
    """

    store_key_id: str
    source: str
    wrapped: bytes
    key_uri: str
    recipients: str
    created_ms: int


class LookupRow(NamedTuple):
    """The secret from which the lookups of a source are computed, sealed under a store key."""

    source: str
    store_key_id: str
    sealed: bytes


class NewSubject(NamedTuple):
    """A subject that gets a key."""

    key_id: str
    source: str
    lookup: bytes
    store_key_id: str
    sealed: bytes


class SubjectRow(NamedTuple):
    """A subject's key, or what is left of it.

    Attributes:
        key_id: Name of the key, as its events carry it.
        source: Source of the trail.
        lookup: HMAC of the user id under the source's lookup secret; None where the subject is forgotten.
        store_key_id: The store key under which the secret is sealed; None where the subject is forgotten.
        sealed: The sealed secret; None where the subject is forgotten.
        created_ms: When the key was created; None where the subject is forgotten.
        hold: The sealed legal hold; None without one.
        epoch: Number of the change that began to forget the subject; 0 before.
        forgetting_ms: When that was; None before, and where the subject is forgotten.
        forgotten_ms: When the key was destroyed; None before.
    """

    key_id: str
    source: str
    lookup: bytes | None
    store_key_id: str | None
    sealed: bytes | None
    created_ms: int | None
    hold: bytes | None
    epoch: int
    forgetting_ms: int | None
    forgotten_ms: int | None

    @property
    def state(self) -> State:
        """What has become of the key."""
        if self.forgotten_ms is not None:
            return "forgotten"
        return "active" if self.forgetting_ms is None else "forgetting"


class Holder(NamedTuple):
    """A process that may seal under keys that it has in memory.

    Attributes:
        holder_id: Random name.
        described: Host and process id, for the operator.
        seen_epoch: The last change that it has confirmed.
        expires_in: Seconds until its lease ends.
    """

    holder_id: str
    described: str
    seen_epoch: int
    expires_in: float


class Changes(NamedTuple):
    """What was forgotten since a process looked last.

    Attributes:
        epoch: Number of the last change.
        key_ids: Keys that may no longer be used; None where they are too many to list.
        pending: Whether the key of a forgotten subject still waits for its destruction.
    """

    epoch: int
    key_ids: frozenset[str] | None
    pending: bool


class Destruction(NamedTuple):
    """What became of the keys that were to be destroyed.

    Attributes:
        destroyed: Keys that are gone.
        waiting_for: Processes that may still seal under others of them.
    """

    destroyed: frozenset[str]
    waiting_for: tuple[Holder, ...]


class Residue(NamedTuple):
    """What may be left of destroyed keys in the database itself.

    Attributes:
        is_clean: Whether nothing is left in the files of the tables, as far as the database can do that.
        note: What is left, and what to do; empty where nothing is.
    """

    is_clean: bool
    note: str = ""


class Counts(NamedTuple):
    """How many subjects the store has."""

    active: int
    forgetting: int
    forgotten: int
    held: int
    holders: int


SUBJECT_COLUMNS = SubjectRow._fields
_TEXT, _BYTES, _NUMBER = (str,), (bytes,), (int,)
_SUBJECT_TYPES: tuple[tuple[type, ...], ...] = (
    _TEXT,
    _TEXT,
    (bytes, type(None)),
    (str, type(None)),
    (bytes, type(None)),
    (int, type(None)),
    (bytes, type(None)),
    _NUMBER,
    (int, type(None)),
    (int, type(None)),
)


def subject_row(values: tuple[Any, ...]) -> SubjectRow:
    """Return a row as it was read.

    Raises:
        SubjectTableError: A value is of another type, or it is neither a key nor what is left of one.
    """
    row = SubjectRow(*checked(values, _SUBJECT_TYPES))
    kept = (row.lookup, row.store_key_id, row.sealed)
    if any(value is None for value in kept) == (row.forgotten_ms is None):
        refuse_row("is neither a key nor what is left of one")
    return row


def store_key_row(values: tuple[Any, ...]) -> StoreKeyRow:
    """Return a row as it was read; raises as :func:`subject_row` does."""
    return StoreKeyRow(*checked(values, (_TEXT, _TEXT, _BYTES, _TEXT, _TEXT, _NUMBER)))


def lookup_row(values: tuple[Any, ...]) -> LookupRow:
    """Return a row as it was read; raises as :func:`subject_row` does."""
    return LookupRow(*checked(values, (_TEXT, _TEXT, _BYTES)))


def checked(values: tuple[Any, ...], types: tuple[tuple[type, ...], ...]) -> tuple[Any, ...]:
    """Return values of which each has one of its types; raises as :func:`subject_row` does."""
    plain = tuple(bytes(value) if isinstance(value, memoryview | bytearray) else value for value in values)
    for value, allowed in zip(plain, types, strict=True):
        if not isinstance(value, allowed) or isinstance(value, bool):
            refuse_row("has a value that is absent, too large or of another type")
    return plain


def refuse_row(what: str, cause: Exception | None = None) -> NoReturn:
    """Refuse a row that this library cannot have written.

    Raises:
        SubjectTableError: Always.
    """
    message = f"a row of the subject store {what}; it was altered: restore it from a backup"
    raise SubjectTableError(message) from cause

"""Defines what the keyring, readers and the command ask of the store of subjects' keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from telemetry.encryption.subjects.store.rows import (
    Changes,
    Counts,
    Destruction,
    Holder,
    LookupRow,
    NewSubject,
    Residue,
    State,
    StoreKeyRow,
    SubjectRow,
)

MAX_BATCH = 500
"""Keys or lookups of one call, at most."""
MAX_CHANGES = 10_000
"""Forgotten keys that are listed to a process that looks; with more of them it drops all of its keys."""


class SubjectStore(ABC):
    """A small database with the wrapped keys of subjects. Calls block, and may come from several threads.

    Each change is one transaction, durable when the call returns. Every method raises ``SubjectTableError`` where the tables
    cannot be used, and ``SubjectStoreError`` where the database does not do what was asked.

    A key is destroyed only when no process may seal under it any more: each process is a *holder* with a lease, and confirms
    with every renewal up to which change it has dropped the keys of forgotten subjects.
    """

    @property
    @abstractmethod
    def is_shared(self) -> bool:
        """Whether processes on several hosts may use it."""

    @abstractmethod
    def check(self) -> None:
        """Connect if need be, and check that the tables can be read."""

    @abstractmethod
    def create_tables(self) -> None:
        """Create the tables that are absent; needs the right to do so."""

    @abstractmethod
    def store_keys(self, source: str | None = None) -> list[StoreKeyRow]:
        """Return the store keys, the newest first.

        Args:
            source: Only those of this source.
        """

    @abstractmethod
    def store_key(self, store_key_id: str) -> StoreKeyRow | None:
        """Return a store key; None if there is no such one."""

    @abstractmethod
    def add_store_key(self, row: StoreKeyRow) -> None:
        """Add a store key; ``created_ms`` is set by the store's clock."""

    @abstractmethod
    def lookup(self, source: str) -> LookupRow | None:
        """Return the lookup secret of a source."""

    @abstractmethod
    def add_lookup(self, row: LookupRow) -> LookupRow:
        """Add the lookup secret of a source, unless it has one, and return the one that it has."""

    @abstractmethod
    def of_lookups(self, lookups: Sequence[bytes]) -> list[SubjectRow]:
        """Return the keys of subjects that are not forgotten, at most ``MAX_BATCH`` lookups at once."""

    @abstractmethod
    def of_keys(self, key_ids: Sequence[str]) -> list[SubjectRow]:
        """Return the rows of keys, at most ``MAX_BATCH`` at once."""

    @abstractmethod
    def add(self, subjects: Sequence[NewSubject]) -> None:
        """Add keys; a subject that has an active one keeps it. At most ``MAX_BATCH`` at once."""

    @abstractmethod
    def rows(self, *, after: str, limit: int, state: State | None = None) -> list[SubjectRow]:
        """Return rows in the order of their key ids.

        Args:
            after: Key id after which they begin; empty for the first.
            limit: At most so many.
            state: Only those in this state.
        """

    @abstractmethod
    def counts(self) -> Counts:
        """Return how many subjects there are."""

    @abstractmethod
    def changes(self, since: int) -> Changes:
        """Return what was forgotten after a change of this number."""

    @abstractmethod
    def renew(
        self, holder_id: str, *, described: str, seen_epoch: int, seconds: float, renamed: str | None = None
    ) -> bool:
        """Renew the lease of a process, or give it one.

        Args:
            holder_id: Name of the process.
            described: Host and process id.
            seen_epoch: The last change whose keys the process has dropped.
            seconds: How long the lease is, at least, from the beginning of the call.
            renamed: Name of the process from now on. A copy of the database that is put in place of it has an earlier one.

        Returns:
            Whether the process had the lease until now. If not, keys that it has in memory may have been destroyed since.
        """

    @abstractmethod
    def end_lease(self, holder_id: str) -> None:
        """End the lease of a process that seals no more."""

    @abstractmethod
    def begin_forgetting(self, key_ids: Sequence[str]) -> list[SubjectRow]:
        """Mark active keys, so that no process gets them any more; changes nothing if one of the keys has a hold.

        Returns:
            The rows afterwards. The caller looks at their holds.
        """

    @abstractmethod
    def destroy(self, key_ids: Sequence[str] | None = None) -> Destruction:
        """Destroy keys that are marked, have no hold, and under which no process may seal any more.

        Args:
            key_ids: These keys; None for all that are marked.
        """

    @abstractmethod
    def clean(self) -> Residue:
        """Remove what is left of destroyed keys in the files of the database."""

    @abstractmethod
    def set_hold(self, key_id: str, hold: bytes | None) -> bool:
        """Set or remove the hold of a key; return whether the key is there and not forgotten."""

    @abstractmethod
    def sealed_under(self, store_key_id: str, *, limit: int) -> list[SubjectRow]:
        """Return keys of subjects that are sealed under a store key."""

    @abstractmethod
    def reseal(self, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
        """Replace seals: each of key id, former store key, new store key and sealed secret.

        A key that is sealed under another store key by now, or is destroyed, stays as it is.
        """

    @abstractmethod
    def reseal_lookup(self, row: LookupRow, *, former_store_key_id: str) -> None:
        """Replace the seal of a lookup secret, if it is sealed under that store key."""

    @abstractmethod
    def remove_store_key(self, store_key_id: str) -> bool:
        """Remove a store key under which nothing is sealed; return whether it is gone."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection; it may be used again after that."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


__all__ = ["MAX_BATCH", "MAX_CHANGES", "Holder", "SubjectStore"]

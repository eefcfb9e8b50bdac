"""Implements the subject store in SQL that SQLite and PostgreSQL have in common."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from telemetry.encryption.subjects.store import rows as kept
from telemetry.encryption.subjects.store.rows import (
    Changes,
    Counts,
    Destruction,
    Holder,
    LookupRow,
    NewSubject,
    State,
    StoreKeyRow,
    SubjectRow,
)
from telemetry.encryption.subjects.store.schema import HOLDERS, KEYS, LOOKUPS, SCHEMA_VERSION, STATE, STORE_KEYS
from telemetry.encryption.subjects.store.store import MAX_BATCH, MAX_CHANGES, SubjectStore
from telemetry.exceptions import SubjectTableError

_SPARE = 1.02, 1_000
"""The store's clock may run a little faster than that of a process: part of a lease and milliseconds that are added."""
_LONGEST_LEASE = 3_600.0
"""Seconds that ``lease_seconds`` may be set to, at most."""
_COUNTED = 1_000_000
_MAX_HOLDERS = 1_000


def _bounded(column: str, most: int) -> str:
    # The length is known without reading the value; what is too long comes as NULL, which no such column has.
    return f"CASE WHEN length({column}) <= {most} THEN {column} END"


_SUBJECT = (
    f"SELECT key_id, source, {_bounded('lookup', kept.MAX_SMALL)}, store_key_id, {_bounded('sealed', kept.MAX_SMALL)}, "
    f"created_ms, {_bounded('hold', kept.MAX_SMALL)}, epoch, forgetting_ms, forgotten_ms FROM {KEYS}"
)
_STORE_KEY = (
    f"SELECT store_key_id, source, {_bounded('wrapped', kept.MAX_WRAPPED)}, key_uri, "
    f"{_bounded('recipients', kept.MAX_TEXT)}, created_ms FROM {STORE_KEYS}"
)
_LOOKUP = f"SELECT source, store_key_id, {_bounded('sealed', kept.MAX_SMALL)} FROM {LOOKUPS}"
_STATES: dict[State, str] = {
    "active": "lookup IS NOT NULL AND forgetting_ms IS NULL",
    "forgetting": "forgetting_ms IS NOT NULL",
    "forgotten": "forgotten_ms IS NOT NULL",
}


class Statements(Protocol):
    """Runs statements, whose values are marked ``?``, in one transaction."""

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return what a query finds."""

    def change(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement and return how many rows it changed."""


class SqlSubjectStore(SubjectStore):
    """The store in a database with SQL; a class of each database opens transactions and tells the time.

    One connection, used by one thread at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @abstractmethod
    def _begin(self, *, writes: bool) -> AbstractContextManager[Statements]:
        """Connect if need be, and run a transaction; errors are translated."""

    @abstractmethod
    def _now(self, statements: Statements) -> int:
        """Return the time in milliseconds since 1970, by the one clock of this store."""

    @contextmanager
    def _transaction(self, *, writes: bool = True) -> Iterator[Statements]:
        with self._lock, self._begin(writes=writes) as statements:
            yield statements

    def check(self) -> None:
        """Read the version, and a row of each table."""
        with self._transaction(writes=False) as run:
            version = run.rows(f"SELECT version FROM {STATE} WHERE id = 1")
            if version != [(SCHEMA_VERSION,)]:
                message = (
                    "the subject store is of another version, or its first row is gone; this library reads version 1"
                )
                raise SubjectTableError(message)
            for query in (
                _SUBJECT,
                _STORE_KEY,
                _LOOKUP,
                f"SELECT holder_id, described, seen_epoch, expires_ms FROM {HOLDERS}",
            ):
                run.rows(f"{query} LIMIT 0")

    def store_keys(self, source: str | None = None) -> list[StoreKeyRow]:
        """Read the store keys."""
        where, values = ("", ()) if source is None else (" WHERE source = ?", (source,))
        with self._transaction(writes=False) as run:
            found = run.rows(f"{_STORE_KEY}{where} ORDER BY created_ms DESC, store_key_id", values)
        return [kept.store_key_row(row) for row in found]

    def store_key(self, store_key_id: str) -> StoreKeyRow | None:
        """Read a store key."""
        with self._transaction(writes=False) as run:
            found = run.rows(f"{_STORE_KEY} WHERE store_key_id = ?", (store_key_id,))
        return kept.store_key_row(found[0]) if found else None

    def add_store_key(self, row: StoreKeyRow) -> None:
        """Insert a store key."""
        statement = (
            f"INSERT INTO {STORE_KEYS} (store_key_id, source, wrapped, key_uri, recipients, created_ms) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        with self._transaction(writes=False) as run:
            run.change(statement, (*row[:5], self._now(run)))

    def lookup(self, source: str) -> LookupRow | None:
        """Read a lookup secret."""
        with self._transaction(writes=False) as run:
            found = run.rows(f"{_LOOKUP} WHERE source = ?", (source,))
        return kept.lookup_row(found[0]) if found else None

    def add_lookup(self, row: LookupRow) -> LookupRow:
        """Insert a lookup secret if there is none."""
        with self._transaction() as run:
            run.change(
                f"INSERT INTO {LOOKUPS} (source, store_key_id, sealed) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row
            )
            return kept.lookup_row(run.rows(f"{_LOOKUP} WHERE source = ?", (row.source,))[0])

    def of_lookups(self, lookups: Sequence[bytes]) -> list[SubjectRow]:
        """Read keys by their lookups."""
        with self._transaction(writes=False) as run:
            found = run.rows(f"{_SUBJECT} WHERE lookup IN ({_marks(lookups)}) ORDER BY created_ms, key_id", lookups)
        return [kept.subject_row(row) for row in found]

    def of_keys(self, key_ids: Sequence[str]) -> list[SubjectRow]:
        """Read keys by their names."""
        with self._transaction(writes=False) as run:
            return _named(run, key_ids)

    def add(self, subjects: Sequence[NewSubject]) -> None:
        """Insert keys."""
        # A subject that another process has added meanwhile keeps that key: the unique index has the active ones.
        statement = (
            f"INSERT INTO {KEYS} (key_id, source, lookup, store_key_id, sealed, created_ms) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING"
        )
        with self._transaction() as run:
            now = self._now(run)
            # In one order in every process, so that two of them cannot wait for each other.
            for subject in sorted(subjects, key=lambda one: one.lookup):
                run.change(statement, (*subject, now))

    def rows(self, *, after: str, limit: int, state: State | None = None) -> list[SubjectRow]:
        """Read rows in order."""
        only = f" AND {_STATES[state]}" if state is not None else ""
        with self._transaction() as run:
            found = run.rows(f"{_SUBJECT} WHERE key_id > ?{only} ORDER BY key_id LIMIT ?", (after, limit))
        return [kept.subject_row(row) for row in found]

    def counts(self) -> Counts:
        """Count, up to a million of each."""
        conditions = (*_STATES.values(), "hold IS NOT NULL")
        with self._transaction(writes=False) as run:
            now = self._now(run)
            numbers = [
                run.rows(f"SELECT count(*) FROM (SELECT 1 FROM {KEYS} WHERE {condition} LIMIT {_COUNTED}) AS counted")[
                    0
                ][0]
                for condition in conditions
            ]
            holders = run.rows(f"SELECT count(*) FROM {HOLDERS} WHERE expires_ms > ?", (now,))[0][0]
        active, forgetting, forgotten, held = numbers
        return Counts(active, forgetting, forgotten, held, holders)

    def changes(self, since: int) -> Changes:
        """Read the number of the last change, and the keys of those after ``since``."""
        # One statement: a change that is not in its number is not in its keys either.
        statement = (
            f"SELECT changed.epoch, forgotten.key_id FROM {STATE} AS changed LEFT JOIN {KEYS} AS forgotten "
            f"ON forgotten.epoch > ? AND forgotten.epoch <= changed.epoch LIMIT {MAX_CHANGES + 1}"
        )
        with self._transaction(writes=False) as run:
            found = run.rows(statement, (since,))
            pending = run.rows(f"SELECT 1 FROM {KEYS} WHERE forgetting_ms IS NOT NULL AND hold IS NULL LIMIT 1")
        if not found:
            message = "the first row of the subject store is gone; restore it from a backup"
            raise SubjectTableError(message)
        key_ids = frozenset(str(key_id) for _, key_id in found if key_id is not None)
        return Changes(int(found[0][0]), key_ids if len(found) <= MAX_CHANGES else None, bool(pending))

    def renew(
        self, holder_id: str, *, described: str, seen_epoch: int, seconds: float, renamed: str | None = None
    ) -> bool:
        """Write when the lease ends."""
        name = renamed or holder_id
        with self._transaction() as run:
            expires = _end_of(self._now(run), seconds)
            # Leases that have ended are removed before a key is destroyed: a row that is still there has missed nothing.
            changed = run.change(
                f"UPDATE {HOLDERS} SET holder_id = ?, seen_epoch = ?, expires_ms = ?, described = ? WHERE holder_id IN (?, ?)",
                (name, seen_epoch, expires, described, holder_id, name),
            )
            if changed:
                return True
            run.change(
                f"INSERT INTO {HOLDERS} (holder_id, described, seen_epoch, expires_ms) VALUES (?, ?, ?, ?)",
                (name, described, seen_epoch, expires),
            )
            return False

    def end_lease(self, holder_id: str) -> None:
        """Delete the row of the process."""
        with self._transaction() as run:
            run.change(f"DELETE FROM {HOLDERS} WHERE holder_id = ?", (holder_id,))

    def begin_forgetting(self, key_ids: Sequence[str]) -> list[SubjectRow]:
        """Number the change, and mark the keys with it."""
        with self._transaction() as run:
            # The lock of this row makes the changes one after another, so that a number is visible after all below it.
            run.change(f"UPDATE {STATE} SET epoch = epoch + 1 WHERE id = 1")
            epoch = run.rows(f"SELECT epoch FROM {STATE} WHERE id = 1")[0][0]
            if not any(row.hold is not None for row in _named(run, key_ids)):
                run.change(
                    f"UPDATE {KEYS} SET epoch = ?, forgetting_ms = ? WHERE key_id IN ({_marks(key_ids)}) "
                    "AND hold IS NULL AND forgetting_ms IS NULL AND forgotten_ms IS NULL",
                    (epoch, self._now(run), *key_ids),
                )
            return _named(run, key_ids)

    def destroy(self, key_ids: Sequence[str] | None = None) -> Destruction:
        """Set everything of the keys to NULL but their names, and when that was."""
        only, names = ("", ()) if key_ids is None else (f" AND key_id IN ({_marks(key_ids)})", tuple(key_ids))
        due = f"forgetting_ms IS NOT NULL AND hold IS NULL AND epoch <= ?{only}"
        with self._transaction() as run:
            now = self._now(run)
            run.change(f"DELETE FROM {HOLDERS} WHERE expires_ms <= ?", (now,))
            # No lease is longer: a clock was wrong when this one was written, and nothing waits for it for years.
            longest = _end_of(now, _LONGEST_LEASE)
            run.change(f"UPDATE {HOLDERS} SET expires_ms = ? WHERE expires_ms > ?", (longest, longest))
            # Read once: what is destroyed now, and who is waited for, follow from the same rows.
            holders = run.rows(
                f"SELECT holder_id, described, seen_epoch, expires_ms FROM {HOLDERS} ORDER BY seen_epoch LIMIT {_MAX_HOLDERS}"
            )
            confirmed = holders[0][2] if holders else run.rows(f"SELECT epoch FROM {STATE} WHERE id = 1")[0][0]
            found = [
                str(key_id) for (key_id,) in run.rows(f"SELECT key_id FROM {KEYS} WHERE {due}", (confirmed, *names))
            ]
            if found:
                changed = run.change(
                    f"UPDATE {KEYS} SET lookup = NULL, store_key_id = NULL, sealed = NULL, created_ms = NULL, "
                    f"forgetting_ms = NULL, forgotten_ms = ? WHERE {due}",
                    (now, confirmed, *names),
                )
                if changed != len(found):  # one of them got a hold between the two statements
                    found = _forgotten_of(run, found)
            latest = run.rows(
                f"SELECT max(epoch) FROM {KEYS} WHERE forgetting_ms IS NOT NULL AND hold IS NULL{only}", names
            )[0][0]
        waiting = (
            Holder(str(name), str(described), seen, (expires - now) / 1_000)
            for name, described, seen, expires in holders
            if seen < (latest or 0)
        )
        return Destruction(frozenset(found), tuple(sorted(waiting, key=lambda holder: holder.expires_in)))

    def set_hold(self, key_id: str, hold: bytes | None) -> bool:
        """Write the hold."""
        with self._transaction() as run:
            return bool(
                run.change(f"UPDATE {KEYS} SET hold = ? WHERE key_id = ? AND forgotten_ms IS NULL", (hold, key_id))
            )

    def sealed_under(self, store_key_id: str, *, limit: int) -> list[SubjectRow]:
        """Read keys by their store key."""
        with self._transaction(writes=False) as run:
            found = run.rows(f"{_SUBJECT} WHERE store_key_id = ? ORDER BY key_id LIMIT ?", (store_key_id, limit))
        return [kept.subject_row(row) for row in found]

    def reseal(self, rows: Sequence[tuple[str, str, str, bytes]]) -> None:
        """Write other seals."""
        with self._transaction() as run:
            for key_id, former, store_key_id, sealed in sorted(rows):
                run.change(
                    f"UPDATE {KEYS} SET store_key_id = ?, sealed = ? WHERE key_id = ? AND store_key_id = ?",
                    (store_key_id, sealed, key_id, former),
                )

    def reseal_lookup(self, row: LookupRow, *, former_store_key_id: str) -> None:
        """Write another seal."""
        with self._transaction() as run:
            run.change(
                f"UPDATE {LOOKUPS} SET store_key_id = ?, sealed = ? WHERE source = ? AND store_key_id = ?",
                (row.store_key_id, row.sealed, row.source, former_store_key_id),
            )

    def remove_store_key(self, store_key_id: str) -> bool:
        """Delete a store key."""
        unused = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.store_key_id = {STORE_KEYS}.store_key_id)"
            for table in (KEYS, LOOKUPS)
        )
        with self._transaction() as run:
            return bool(run.change(f"DELETE FROM {STORE_KEYS} WHERE store_key_id = ? AND {unused}", (store_key_id,)))


def _named(run: Statements, key_ids: Sequence[str]) -> list[SubjectRow]:
    found = run.rows(f"{_SUBJECT} WHERE key_id IN ({_marks(key_ids)})", key_ids)
    return [kept.subject_row(row) for row in found]


def _forgotten_of(run: Statements, key_ids: Sequence[str]) -> list[str]:
    parts = (key_ids[start : start + MAX_BATCH] for start in range(0, len(key_ids), MAX_BATCH))
    return [row.key_id for part in parts for row in _named(run, part) if row.state == "forgotten"]


def _end_of(now: int, seconds: float) -> int:
    """Return when a lease ends that begins now, in milliseconds."""
    part, more = _SPARE
    return now + int(seconds * 1_000 * part) + more


def _marks(values: Sequence[object]) -> str:
    """Return a mark for each value; NULL, which is in no list, where there is none."""
    return ", ".join("?" * len(values)) or "NULL"

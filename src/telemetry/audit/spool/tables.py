"""Stores packs in two tables of a segment in turn, so that one can be emptied while the other is filled; and its notes."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from telemetry.audit.spool.packing import Pack

TABLES = ("batch_a", "batch_b")
SCHEMA = (
    *(f"CREATE TABLE {table} (first INTEGER PRIMARY KEY, records BLOB NOT NULL, crc INTEGER)" for table in TABLES),
    "CREATE TABLE note (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER) WITHOUT ROWID",
)
"""Everything that is in the file of a segment."""
MAX_FLIP_BYTES = 2 << 20
"""Emptying a table takes as long as it is large, and everyone who waits for the disk waits for that too."""
SMALL_FLIP_BYTES = 256 << 10
"""The same for one of many segments."""

_NEXT = (
    f"SELECT * FROM (SELECT * FROM {TABLES[0]} UNION ALL SELECT * FROM {TABLES[1]})"  # noqa: S608 - constants
    " WHERE first > ? ORDER BY first LIMIT 1"
)

StoredPack = tuple[int, Any, Any]
"""First position, content and checksum, of the types that the file happens to have."""


class Notes:
    """The table of named entries. Each method is called with the segment's lock held, and raises ``sqlite3.Error``.

    Args:
        connection: Connection to the file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put(self, name: str, content: bytes) -> None:
        """Write an entry; one of that name is replaced."""
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", (name, content, zlib.crc32(content)))

    def get(self, name: str) -> tuple[Any, Any] | None:
        """Return content and checksum of an entry, of the types that the file happens to have; None if it is absent."""
        row: tuple[Any, Any] | None = self._connection.execute(
            "SELECT content, crc FROM note WHERE name = ?", (name,)
        ).fetchone()
        return row


class TablesState(NamedTuple):
    """Which table is active, and what is known of both."""

    active: int
    active_bytes: int
    highest: tuple[int, ...]
    rows: tuple[int, ...]
    marks: tuple[int, ...]


class AlternatingTables:
    """Two tables: the active one receives packs, the other one waits until all its records are settled.

    SQLite cannot cheaply delete the oldest rows of a growing table. It can drop everything in a table at once, so the
    active table changes as soon as it is large and the other one is empty. Each method is called with the segment's
    lock held, and raises ``sqlite3.Error``.

    Args:
        connection: Connection to the file.
        flip_bytes: Size at which the active table gives way to the other one.
    """

    def __init__(self, connection: sqlite3.Connection, *, flip_bytes: int) -> None:
        self._connection = connection
        self._flip_bytes = min(flip_bytes, MAX_FLIP_BYTES)
        # Index of the table that receives packs, its bytes since it became active, and each table's last position and rows.
        self._active = 0
        self._active_bytes = 0
        self._highest = [-1, -1]
        self._rows = [0, 0]
        self._marks = [0, 0]

    @property
    def active_rows(self) -> int:
        """Rows in the active table: those that stay when the other one is emptied."""
        return self._rows[self._active]

    @property
    def active_mark(self) -> int:
        """What was given with the first pack of the active table."""
        return self._marks[self._active]

    @property
    def state(self) -> TablesState:
        """What :meth:`restore` goes back to after a transaction that failed."""
        return TablesState(self._active, self._active_bytes, (*self._highest,), (*self._rows,), (*self._marks,))

    def restore(self, state: TablesState) -> None:
        """Go back to an earlier state, because nothing that was done since is in the file."""
        self._active, self._active_bytes = state.active, state.active_bytes
        self._highest, self._rows, self._marks = [*state.highest], [*state.rows], [*state.marks]

    def follows_all(self, packs: Sequence[Pack]) -> bool:
        """Return whether these packs come after all that was stored by this object."""
        return bool(packs) and packs[0].first > max(self._highest)

    def may_empty(self, settled_below: int) -> bool:
        """Return whether the inactive table has records, and all of them are settled."""
        return -1 < self._highest[1 - self._active] < settled_below

    def empty_inactive(self) -> None:
        """Delete everything in the inactive table."""
        other = 1 - self._active
        self._connection.execute(f"DELETE FROM {TABLES[other]}")  # noqa: S608 - a constant
        self._highest[other], self._rows[other] = -1, 0

    def change_roles(self) -> None:
        """Make the other table the active one, if it is empty and this one is large."""
        other = 1 - self._active
        if self._active_bytes > self._flip_bytes and self._highest[other] == -1:
            self._active, self._active_bytes = other, 0

    def insert(self, packed: Pack, *, mark: int = 0) -> None:
        """Store a pack in the active table.

        Args:
            packed: The pack.
            mark: Is remembered of a table's first pack.
        """
        self._connection.execute(
            f"INSERT INTO {TABLES[self._active]} VALUES (?, ?, ?)",  # noqa: S608 - a constant
            (packed.first, packed.content, zlib.crc32(packed.content)),
        )
        self._active_bytes += len(packed.content)
        self._highest[self._active] = packed.last
        if not self._rows[self._active]:
            self._marks[self._active] = mark
        self._rows[self._active] += 1

    def next_after(self, position: int) -> StoredPack | None:
        """Return the first pack, of either table, that begins after ``position``."""
        row: StoredPack | None = self._connection.execute(_NEXT, (position,)).fetchone()
        return row

    def last_before(self, table: str, position: int) -> StoredPack | None:
        """Return the last pack of one table that begins before ``position``."""
        query = f"SELECT * FROM {table} WHERE first < ? ORDER BY first DESC LIMIT 1"  # noqa: S608 - a constant
        row: StoredPack | None = self._connection.execute(query, (position,)).fetchone()
        return row

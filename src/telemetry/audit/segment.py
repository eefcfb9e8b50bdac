"""One spool file: SQLite in WAL mode, opened by one process at a time (https://sqlite.org/wal.html)."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from telemetry.audit.record import SealedRecord
from telemetry.audit.stream import TreeState
from telemetry.exceptions import SpoolError

logger = logging.getLogger("telemetry.spool")

SUFFIX = ".spool"
FORMAT_VERSION = "1"

_TABLES = ("batch_a", "batch_b")
_FLIP_BYTES = 16 << 20
_SCHEMA = "".join(f"CREATE TABLE {table} (first INTEGER PRIMARY KEY, records BLOB NOT NULL);" for table in _TABLES)
_NEXT = (
    f"SELECT * FROM (SELECT * FROM {_TABLES[0]} UNION ALL SELECT * FROM {_TABLES[1]})"  # noqa: S608 - constants
    " WHERE first > ? ORDER BY first LIMIT 1"
)
_META = "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID"
_ROW_RECORDS = 1_000

Row = tuple[int, str, bytes, bytes]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Row]).decode


class SpoolSegment:
    """A file that keeps sealed records until they are settled.

    The records of a commit are packed (MessagePack) into one row of one of two tables; when it is large and the other is empty they change roles, and a table whose
    records are all settled is emptied at once. The lowest position that is not settled is noted with every commit, so
    that little is sent twice after a crash.

    Args:
        path: The file.
        connection: Holds the file's exclusive lock.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.Lock()
        self._active = 0
        self._active_bytes = 0
        self._highest = [-1, -1]
        self.settled_below = 0

    @classmethod
    def create(cls, folder: Path, *, producer: str, topic: str, source: str) -> Self:
        """Make a segment for a producer.

        Raises:
            SpoolError: The folder cannot be written, or the disk is full.
        """
        path = folder / f"{producer}{SUFFIX}"
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            connection = _connect(path, patience=10.0)
            connection.executescript(f"BEGIN EXCLUSIVE; {_SCHEMA}{_META}; COMMIT;")
            segment = cls(path, connection)
            about = {"version": FORMAT_VERSION, "producer": producer, "topic": topic, "source": source}
            segment._put_meta(about.items())
        except (OSError, sqlite3.Error) as exc:
            raise _translated(exc, path, "make") from exc
        return segment

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Open the segment of a dead process; None while its process lives, or another one has adopted it.

        Raises:
            SpoolError: The file is damaged.
        """
        connection = None
        try:
            connection = _connect(path, patience=0.0)
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()
            connection.execute("COMMIT")
        except sqlite3.Error as exc:
            if connection is not None:
                connection.close()
            if _is_busy(exc):
                return None
            raise _translated(exc, path, "adopt") from exc
        segment = cls(path, connection)
        segment.settled_below = int(segment.meta("settled_below") or 0)
        return segment

    @property
    def size(self) -> int:
        """Bytes on disk, including the write-ahead log."""
        total = 0
        for name in (self.path, _wal_of(self.path)):
            with contextlib.suppress(FileNotFoundError):
                total += name.stat().st_size
        return total

    def append(self, records: Sequence[SealedRecord], *, settled_below: int, tree: TreeState | None) -> None:
        """Commit records and the state of the tree with one synchronisation.

        Raises:
            SpoolError: The disk is full or fails; nothing of this call is in the segment.
        """
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._empty_settled(settled_below)
                self._insert(records)
                self._note(settled_below, tree)
                self._connection.execute("COMMIT")
            except sqlite3.Error as exc:
                self._roll_back()
                raise _translated(exc, self.path, "write") from exc
            self.settled_below = settled_below

    def note_settled(self, settled_below: int) -> None:
        """Note progress without new records."""
        self.append((), settled_below=settled_below, tree=None)

    def rows(self) -> Iterator[Row]:
        """Yield position, event id, key and value of what is not settled, in order of position.

        Raises:
            SpoolError: The file is damaged; what was yielded is sound.
        """
        after = -1
        while True:
            with self._lock:
                try:
                    found = self._connection.execute(_NEXT, (after,)).fetchone()
                except sqlite3.Error as exc:
                    raise _translated(exc, self.path, "read") from exc
            if found is None:
                return
            after = found[0]
            yield from (row for row in self._unpack(found[1]) if row[0] >= self.settled_below)

    def rows_backwards(self) -> Iterator[Row]:
        """Yield what can be read from the end of each table; used when :meth:`rows` met damage."""
        for table in _TABLES:
            with contextlib.suppress(sqlite3.Error, SpoolError):
                for (records,) in self._connection.execute(f"SELECT records FROM {table} ORDER BY first DESC"):  # noqa: S608 - a constant
                    yield from self._unpack(records)

    def _unpack(self, records: bytes) -> list[Row]:
        try:
            return _decode(records)
        except msgspec.DecodeError as exc:
            raise _translated(exc, self.path, "read") from exc

    def meta(self, name: str) -> str | bytes | None:
        """Return what is noted under ``name``."""
        with self._lock:
            row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def tree(self) -> TreeState | None:
        """Return the tree that was committed with the last records."""
        frontier, producer = self.meta("frontier"), self.meta("producer")
        if not isinstance(frontier, bytes):
            return None
        return TreeState(str(producer), int(self.meta("tree_size") or 0), frontier)

    def close(self) -> None:
        """Give the file's lock back; what is not settled stays."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def remove(self) -> None:
        """Delete the file: everything in it is settled."""
        # The name goes first: a file that still exists is locked, so nobody adopts it in between.
        for name in (self.path, _wal_of(self.path)):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                name.unlink()
        self.close()
        for name in (self.path, _wal_of(self.path)):
            with contextlib.suppress(FileNotFoundError):
                name.unlink()

    def set_aside(self) -> Path:
        """Rename a damaged file so that nobody adopts it again; return its new name."""
        self.close()
        aside = self.path.with_suffix(".damaged")
        for name, target in ((self.path, aside), (_wal_of(self.path), _wal_of(aside))):
            with contextlib.suppress(FileNotFoundError):
                name.rename(target)
        return aside

    def _insert(self, records: Sequence[SealedRecord]) -> None:
        rows = [
            (record.sequence, record.event_id, record.key, record.value)
            for record in records
            if record.sequence is not None
        ]
        # Many records make one row: each statement costs a release of the interpreter lock.
        for at in range(0, len(rows), _ROW_RECORDS):
            part = rows[at : at + _ROW_RECORDS]
            packed = _encode(part)
            self._connection.execute(f"INSERT INTO {_TABLES[self._active]} VALUES (?, ?)", (part[0][0], packed))  # noqa: S608
            self._active_bytes += len(packed)
            self._highest[self._active] = part[-1][0]

    def _empty_settled(self, settled_below: int) -> None:
        other = 1 - self._active
        if -1 < self._highest[other] < settled_below:
            self._connection.execute(f"DELETE FROM {_TABLES[other]}")  # noqa: S608 - a constant
            self._highest[other] = -1
        if self._active_bytes > _FLIP_BYTES and self._highest[other] == -1:
            self._active, self._active_bytes = other, 0

    def _note(self, settled_below: int, tree: TreeState | None) -> None:
        notes: list[tuple[str, int | bytes]] = [("settled_below", settled_below)]
        if tree is not None:
            notes += [("tree_size", tree.size), ("frontier", tree.frontier)]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes)

    def _put_meta(self, items: Iterable[tuple[str, str]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(items))
        self._connection.execute("COMMIT")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def _connect(path: Path, *, patience: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    # Exclusive locking keeps the lock for as long as the process lives, and needs no shared-memory file.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA page_size = 32768")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 128")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _wal_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _translated(error: Exception, path: Path, what: str) -> SpoolError:
    remedy = "free space on its disk" if "full" in str(error) else "check the disk, the folder's owner and its mode"
    return SpoolError(f"cannot {what} the spool segment {path}: {error}; {remedy}")

"""One spool file: SQLite in WAL mode, opened by one process at a time (https://sqlite.org/wal.html)."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.fork_gate import ForkGate
from telemetry.audit.spool.packing import Pack, Progress, Row, pack, progress_of, unpack
from telemetry.audit.spool.segment_errors import DamagedSegmentError, damaged, is_busy, translated
from telemetry.audit.spool.sqlite_file import connect
from telemetry.audit.spool.wal_check import has_lost_commits, wal_of
from telemetry.exceptions import SpoolError

logger = logging.getLogger("telemetry.spool")

SUFFIX = ".spool"
FORMAT_VERSION = 3

_TABLES = ("batch_a", "batch_b")
# Emptying a table takes as long as it is large, and whoever waits for the disk waits for that too.
_FLIP_BYTES = 2 << 20
_SCHEMA = (
    *(f"CREATE TABLE {table} (first INTEGER PRIMARY KEY, records BLOB NOT NULL, crc INTEGER)" for table in _TABLES),
    "CREATE TABLE note (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER) WITHOUT ROWID",
)
_NEXT = (
    f"SELECT * FROM (SELECT * FROM {_TABLES[0]} UNION ALL SELECT * FROM {_TABLES[1]})"  # noqa: S608 - constants
    " WHERE first > ? ORDER BY first LIMIT 1"
)
_CLOSE_SECONDS = 2.0
ASIDE = ".damaged"
_TORN_LOG = "its write-ahead log is damaged in the middle"

NoteT = TypeVar("NoteT")

_encode = msgspec.msgpack.Encoder().encode
_gate = ForkGate()


class About(msgspec.Struct, array_like=True):
    """Whose records a segment holds."""

    version: int
    producer: str
    topic: str
    source: str


class SpoolSegment:
    """A file that keeps sealed records until they are settled.

    The records of a commit are packed (MessagePack) into one row of one of two tables; when it is large and the other
    is empty they change roles, and a table whose records are all settled is emptied at once. The lowest position that
    is not settled is noted with every commit, so that little is sent twice after a crash. It stands in the row itself:
    so a commit is mostly one statement, and each statement is a release of the interpreter lock, after which the thread
    waits its turn. Every row has a checksum: SQLite notices when a page is torn, not when a byte in it has changed.

    Args:
        path: The file.
        connection: Holds the file's exclusive lock.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = _gate.lock()
        self._active = 0
        self._active_bytes = 0
        self._highest = [-1, -1]
        self._commits = 0
        self._tree: TreeState | None = None
        self.settled_below = 0
        self.flip_bytes = _FLIP_BYTES
        """A table this large gives way to the other one, once that is empty."""
        self.damage = ""

    @classmethod
    def create(cls, folder: Path, *, producer: str, topic: str, source: str, flip_bytes: int = _FLIP_BYTES) -> Self:
        """Make a segment for a producer.

        Raises:
            SpoolError: The folder cannot be written, or the disk is full.
        """
        path = folder / f"{producer}{SUFFIX}"
        about = _encode(About(FORMAT_VERSION, producer, topic, source))
        with _gate.opening():
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except OSError as exc:
                raise translated(exc, path, "make") from exc
            try:
                segment = cls._filled(path, about)
                segment.flip_bytes = min(_FLIP_BYTES, flip_bytes)
            except sqlite3.Error as exc:
                # A file that stayed would be taken for that of a process which is about to fill it.
                for name in (path, wal_of(path)):
                    with contextlib.suppress(OSError):
                        name.unlink()
                raise translated(exc, path, "make") from exc
        return segment

    @classmethod
    def _filled(cls, path: Path, about: bytes) -> Self:
        connection = connect(path, patience=10.0)
        try:
            segment = cls(path, connection)
            connection.execute("BEGIN EXCLUSIVE")
            for statement in _SCHEMA:
                connection.execute(statement)
            segment._put("about", about)
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.close()
            raise
        return segment

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Open the segment of a dead process.

        Returns:
            None while its process lives, when another one has adopted it or was faster in settling it, and when its
            process ended before anything was in it.

        Raises:
            DamagedSegmentError: Nothing in the file can be read.
            SpoolError: The file cannot be opened now.
        """
        with _gate.opening():
            try:
                connection = connect(path, patience=0.0)
            except sqlite3.Error as exc:
                if is_busy(exc):
                    return None
                raise translated(exc, path, "adopt") from exc
            try:
                segment = cls._locked(path, connection)
            except DamagedSegmentError:
                connection.close()
                raise
            except sqlite3.Error as exc:
                connection.close()
                if is_busy(exc):
                    return None
                raise translated(exc, path, "adopt") from exc
        return segment

    @classmethod
    def _locked(cls, path: Path, connection: sqlite3.Connection) -> Self | None:
        connection.execute("BEGIN EXCLUSIVE")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        connection.execute("COMMIT")
        if not path.exists():
            connection.close()
            return None
        # Before anything is written: SQLite takes a log that is damaged in its middle for one that ends there.
        has_lost = has_lost_commits(connection, path)
        if has_lost:
            # Closing the file takes the log away, and with it what a person might still read there.
            with contextlib.suppress(OSError):
                shutil.copy2(wal_of(path), wal_of(path.with_suffix(ASIDE)))
        segment = cls(path, connection)
        if tables:
            segment._look_for_damage(_TORN_LOG if has_lost else "")
            return segment
        if has_lost:
            raise damaged(path, _TORN_LOG)
        segment.remove()
        return None

    @property
    def size(self) -> int:
        """Bytes on disk, including the write-ahead log."""
        total = 0
        for name in (self.path, wal_of(self.path)):
            with contextlib.suppress(OSError):
                total += name.stat().st_size
        return total

    @property
    def about(self) -> About | None:
        """Whose records these are; None when that part of the file is damaged."""
        try:
            content = self._get("about")
            return _typed(content, About) if content is not None else None
        except SpoolError:
            return None

    @property
    def tree(self) -> TreeState | None:
        """The tree that was committed with the last records; None where none is kept, or after damage."""
        return self._tree

    def append(self, records: Sequence[SealedRecord], *, settled_below: int, tree: TreeState | None) -> None:
        """Commit records and the state of the tree with one synchronisation.

        Raises:
            SpoolError: The disk is full or fails; nothing of this call is in the segment.
        """
        tree = tree if tree is not None else self._tree
        with self._lock:
            self._commits += 1
            size, frontier = (tree.size, tree.frontier) if tree is not None else (None, b"")
            progress = Progress(self._commits, settled_below, size, frontier)
            packs = [*pack(records, progress)]
            try:
                # A statement outside a transaction is one by itself.
                if len(packs) == 1 and self._is_next(packs) and not self._may_empty(settled_below):
                    self._change_roles()
                    self._insert(packs[0])
                else:
                    self._commit(packs, progress)
            except sqlite3.Error as exc:
                self._roll_back()
                raise translated(exc, self.path, "write") from exc
            self.settled_below, self._tree = settled_below, tree

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
                    raise translated(exc, self.path, "read") from exc
            if found is None:
                return
            after = found[0]
            yield from (row for row in self._unpack(*found[1:]) if row[0] >= self.settled_below)

    def rows_backwards(self) -> Iterator[Row]:
        """Yield every sound row that can be read from the end of each table; used when :meth:`rows` met damage."""
        for table in _TABLES:
            before = 1 << 62
            with contextlib.suppress(sqlite3.Error):
                while found := self._before(table, before):
                    before = found[0]
                    with contextlib.suppress(SpoolError):
                        yield from (row for row in self._unpack(*found[1:]) if row[0] >= self.settled_below)

    def close(self) -> None:
        """Give the file's lock back; what is not settled stays."""
        # A disk that hangs holds the lock for ever; the process's end gives everything back.
        if self._lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
            finally:
                self._lock.release()

    def remove(self) -> None:
        """Delete the file: everything in it is settled."""
        # The name goes first: a file that still exists is locked, so nobody adopts it in between.
        for _ in range(2):
            for name in (self.path, wal_of(self.path)):
                with contextlib.suppress(OSError):
                    name.unlink()
            self.close()

    def set_aside(self) -> Path:
        """Rename a damaged file so that nobody adopts it again; return its new name."""
        aside = set_aside(self.path)
        self.close()
        return aside

    def _look_for_damage(self, known: str) -> None:
        try:
            progress = max(self._noted(), *(self._last(table) for table in _TABLES), key=lambda found: found.commit)
            self._commits, self.settled_below = progress.commit, progress.settled_below
            about = self.about
            if about is None:
                self.damage = "its first entry cannot be read"
            elif progress.tree_size is not None:
                self._tree = TreeState(about.producer, progress.tree_size, progress.frontier)
        except SpoolError as exc:
            self.damage = str(exc)
        self.damage = known or self.damage

    def _noted(self) -> Progress:
        content = self._get("progress")
        return _typed(content, Progress) if content is not None else Progress()

    def _last(self, table: str) -> Progress:
        """Return the progress in a table's last row."""
        try:
            found = self._before(table, 1 << 62)
            return progress_of(_checked(*found[1:])) if found is not None else Progress()
        except (sqlite3.Error, msgspec.DecodeError, ValueError) as exc:
            raise damaged(self.path, exc) from exc

    def _before(self, table: str, before: int) -> tuple[Any, ...] | None:
        query = f"SELECT * FROM {table} WHERE first < ? ORDER BY first DESC LIMIT 1"  # noqa: S608 - a constant
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(query, (before,)).fetchone()
        return found

    def _unpack(self, records: Any, crc: Any) -> list[Row]:
        try:
            return unpack(_checked(records, crc))
        except (msgspec.DecodeError, ValueError) as exc:
            raise damaged(self.path, exc) from exc

    def _commit(self, packs: Sequence[Pack], progress: Progress) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        if self._may_empty(progress.settled_below):
            other = 1 - self._active
            self._connection.execute(f"DELETE FROM {_TABLES[other]}")  # noqa: S608 - a constant
            self._highest[other] = -1
        self._change_roles()
        if not self._is_next(packs):
            # Of a table only the last row's progress is looked at.
            self._put("progress", _encode(progress))
        for packed in packs:
            self._insert(packed)
        self._connection.execute("COMMIT")

    def _insert(self, packed: Pack) -> None:
        self._connection.execute(
            f"INSERT INTO {_TABLES[self._active]} VALUES (?, ?, ?)",  # noqa: S608 - a constant
            (packed.first, packed.content, zlib.crc32(packed.content)),
        )
        self._active_bytes += len(packed.content)
        self._highest[self._active] = packed.last

    def _is_next(self, packs: Sequence[Pack]) -> bool:
        """Return whether these come behind all that is there."""
        return bool(packs) and packs[0].first > max(self._highest)

    def _may_empty(self, settled_below: int) -> bool:
        """Return whether the table that takes nothing now has records, and all of them are settled."""
        return -1 < self._highest[1 - self._active] < settled_below

    def _change_roles(self) -> None:
        """Let the other table take the next records, if it is empty and this one is large."""
        other = 1 - self._active
        if self._active_bytes > self.flip_bytes and self._highest[other] == -1:
            self._active, self._active_bytes = other, 0

    def _put(self, name: str, content: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", (name, content, zlib.crc32(content)))

    def _get(self, name: str) -> bytes | None:
        with self._lock:
            try:
                row = self._connection.execute("SELECT content, crc FROM note WHERE name = ?", (name,)).fetchone()
                return _checked(*row) if row else None
            except (sqlite3.Error, ValueError) as exc:
                raise damaged(self.path, exc) from exc

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def set_aside(path: Path) -> Path:
    """Rename a segment and its log so that nobody adopts it again; return the new name."""
    aside = path.with_suffix(ASIDE)
    for name, target in ((path, aside), (wal_of(path), wal_of(aside))):
        with contextlib.suppress(FileNotFoundError):
            if name.stat().st_size:
                name.rename(target)
            else:
                name.unlink()
    return aside


def _checked(content: Any, crc: Any) -> bytes:
    if not isinstance(content, bytes) or zlib.crc32(content) != crc:
        message = "a checksum does not fit"
        raise ValueError(message)
    return content


def _typed(content: bytes, kind: type[NoteT]) -> NoteT:
    try:
        return msgspec.msgpack.decode(content, type=kind)
    except msgspec.DecodeError as exc:
        message = f"a note in a spool segment is of another version: {exc}"
        raise DamagedSegmentError(message) from exc

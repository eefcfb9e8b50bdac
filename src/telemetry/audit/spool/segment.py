"""Keeps records in one spool file: SQLite in WAL mode, opened by one process at a time (https://sqlite.org/wal.html)."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.fork_gate import ForkGate
from telemetry.audit.spool.packing import Pack, Progress, Row, pack, progress_of, unpack
from telemetry.audit.spool.sqlite_file import (
    DamagedSegmentError,
    checked,
    create,
    damaged,
    is_busy,
    lock_with_schema,
    reopen,
    translated,
)
from telemetry.audit.spool.tables import MAX_FLIP_BYTES, SCHEMA, TABLES, AlternatingTables, StoredPack
from telemetry.audit.spool.wal_check import has_lost_commits, wal_of
from telemetry.exceptions import SpoolError
from telemetry.system.durable_file import durable_file

SUFFIX = ".spool"
DAMAGED_SUFFIX = ".damaged"
FORMAT_VERSION = 3

_NOTES = "CREATE TABLE note (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER) WITHOUT ROWID"
_SCHEMA = (*SCHEMA, _NOTES)
_CLOSE_SECONDS = 2.0
_TORN_LOG = "its write-ahead log is damaged in the middle"
_AFTER_ALL = 1 << 62
"""A position that no record reaches."""

NoteT = TypeVar("NoteT")

_encode = msgspec.msgpack.Encoder().encode
_gate = ForkGate()


class About(msgspec.Struct, array_like=True):
    """Identity of the producer whose records a segment contains."""

    version: int
    producer: str
    topic: str
    source: str


class SpoolSegment:
    """A file that keeps sealed records until they are settled.

    The records of a commit are packed (MessagePack) into one row of one of two tables, see
    :class:`~telemetry.audit.spool.tables.AlternatingTables`. The lowest position that is not settled is stored with
    every commit, so that little is sent twice after a crash. It is part of the row itself: so a commit is mostly one
    statement, and each statement is a release of the interpreter lock, after which the thread waits its turn. Every row
    has a checksum: SQLite notices when a page is torn, not when a byte in it has changed.

    The spool thread appends; replay and poller threads may close it. ``_lock`` is held during each call to SQLite.

    Args:
        path: The file.
        connection: Connection that has the file's exclusive lock.
        flip_bytes: Size at which a table gives way to the other one, once that is empty.

    Attributes:
        path: The file.
        settled_below: The lowest position that is not settled, as of the last commit.
        damage: What is damaged; empty if nothing is known.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, flip_bytes: int = MAX_FLIP_BYTES) -> None:
        self.path = path
        self.settled_below = 0
        self.damage = ""
        self._connection = connection
        self._tables = AlternatingTables(connection, flip_bytes=flip_bytes)
        self._lock = _gate.new_lock()
        self._commits = 0
        self._tree: TreeState | None = None

    @classmethod
    def create(cls, folder: Path, *, producer: str, topic: str, source: str, flip_bytes: int = MAX_FLIP_BYTES) -> Self:
        """Create a segment for a producer.

        Raises:
            SpoolError: The folder cannot be written, or the disk is full.
        """
        path = folder / f"{producer}{SUFFIX}"
        about = _encode(About(FORMAT_VERSION, producer, topic, source))
        with _gate.opening():
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except OSError as exc:
                raise translated(exc, path, "create") from exc
            try:
                return cls._filled(path, about, flip_bytes)
            except sqlite3.Error as exc:
                # If the file stayed, others would believe that its process is about to fill it.
                for name in (path, wal_of(path)):
                    with contextlib.suppress(OSError):
                        name.unlink()
                raise translated(exc, path, "create") from exc

    @classmethod
    def _filled(cls, path: Path, about: bytes, flip_bytes: int) -> Self:
        connection = create(path, patience=10.0)
        try:
            segment = cls(path, connection, flip_bytes=flip_bytes)
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
            None while its process lives, when another one has adopted or already settled it, and when its process ended
            before anything was in it.

        Raises:
            DamagedSegmentError: Nothing in the file can be read.
            ForeignFileError: It is not a file that this library wrote; it is left as it is.
            SpoolError: The file cannot be opened now.
        """
        with _gate.opening():
            try:
                connection = reopen(path)
            except (sqlite3.Error, OSError) as exc:
                if is_busy(exc) or not os.path.lexists(path):
                    return None
                raise translated(exc, path, "adopt") from exc
            try:
                segment = cls._locked(path, connection)
            except SpoolError:
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
        # 1. Lock the file, and check that it has the tables of a segment and nothing else.
        has_tables = lock_with_schema(connection, path, _SCHEMA)
        # 2. Another process may have settled and deleted it since it was listed.
        if not path.exists():
            connection.close()
            return None
        # 3. Check the log before anything is written: SQLite considers a log that is damaged in its middle to end there.
        has_lost = has_lost_commits(connection, path)
        if has_lost:
            # Closing the file deletes the log, and with it what a person might still read there.
            with contextlib.suppress(OSError):
                _keep_log(path)
        segment = cls(path, connection)
        # 4. Read what the last commits say about themselves.
        if has_tables:
            segment._look_for_damage(_TORN_LOG if has_lost else "")
            return segment
        # 5. No tables: the process was killed before its first commit, unless that commit was in the damaged log.
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
        """Identity of its producer; None when that part of the file is damaged."""
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
            tables = self._tables
            try:
                # A statement outside a transaction is a transaction of its own.
                if len(packs) == 1 and tables.follows_all(packs) and not tables.may_empty(settled_below):
                    tables.change_roles()
                    tables.insert(packs[0])
                else:
                    self._commit(packs, progress)
            except sqlite3.Error as exc:
                self._roll_back()
                raise translated(exc, self.path, "write") from exc
            self.settled_below, self._tree = settled_below, tree

    def note_settled(self, settled_below: int) -> None:
        """Commit progress without new records."""
        self.append((), settled_below=settled_below, tree=None)

    def rows(self) -> Iterator[Row]:
        """Yield position, event id, key and value of what is not settled, in order of position.

        Raises:
            SpoolError: The file is damaged; what was yielded is sound.
        """
        position = -1
        while True:
            with self._lock:
                try:
                    stored = self._tables.next_after(position)
                except sqlite3.Error as exc:
                    raise translated(exc, self.path, "read") from exc
            if stored is None:
                return
            position = stored[0]
            yield from self._unsettled(stored)

    def rows_backwards(self) -> Iterator[Row]:
        """Yield every sound row that can be read from the end of each table; used when :meth:`rows` met damage."""
        for table in TABLES:
            position = _AFTER_ALL
            with contextlib.suppress(sqlite3.Error):
                while stored := self._last_before(table, position):
                    position = stored[0]
                    with contextlib.suppress(SpoolError):
                        yield from self._unsettled(stored)

    def close(self) -> None:
        """Release the file's lock; what is not settled stays."""
        # A disk that hangs keeps `_lock` with the thread that writes; the end of the process releases everything.
        if self._lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
            finally:
                self._lock.release()

    def remove(self) -> None:
        """Delete the file: everything in it is settled."""
        # The name goes first: the file is still locked then, so nobody adopts it in between. Closing may write the log
        # anew, so both names are deleted once more after it.
        for _ in range(2):
            for name in (self.path, wal_of(self.path)):
                with contextlib.suppress(OSError):
                    name.unlink()
            self.close()

    def rename_damaged(self) -> Path:
        """Rename a damaged file so that nobody adopts it again; return its new name."""
        renamed = rename_damaged(self.path)
        self.close()
        return renamed

    def _look_for_damage(self, known: str) -> None:
        try:
            # The highest commit counts, in whichever of the three places it is stored.
            progress = max(
                self._noted_progress(), *(self._last_progress(table) for table in TABLES), key=lambda each: each.commit
            )
            self._commits, self.settled_below = progress.commit, progress.settled_below
            about = self.about
            if about is None:
                self.damage = "its first entry cannot be read"
            elif progress.tree_size is not None:
                self._tree = TreeState(about.producer, progress.tree_size, progress.frontier)
        except SpoolError as exc:
            self.damage = str(exc)
        self.damage = known or self.damage

    def _noted_progress(self) -> Progress:
        content = self._get("progress")
        return _typed(content, Progress) if content is not None else Progress()

    def _last_progress(self, table: str) -> Progress:
        """Return the progress in a table's last row."""
        try:
            stored = self._last_before(table, _AFTER_ALL)
            return progress_of(checked(*stored[1:])) if stored is not None else Progress()
        except (sqlite3.Error, msgspec.DecodeError, ValueError) as exc:
            raise damaged(self.path, exc) from exc

    def _last_before(self, table: str, position: int) -> StoredPack | None:
        with self._lock:
            return self._tables.last_before(table, position)

    def _unsettled(self, stored: StoredPack) -> list[Row]:
        _, content, crc = stored
        try:
            rows = unpack(checked(content, crc))
        except (msgspec.DecodeError, ValueError) as exc:
            raise damaged(self.path, exc) from exc
        return [row for row in rows if row[0] >= self.settled_below]

    def _commit(self, packs: Sequence[Pack], progress: Progress) -> None:
        tables = self._tables
        self._connection.execute("BEGIN IMMEDIATE")
        if tables.may_empty(progress.settled_below):
            tables.empty_inactive()
        tables.change_roles()
        if not tables.follows_all(packs):
            # The next process reads the progress of a table's last row only, and these rows will not be the last.
            self._put("progress", _encode(progress))
        for packed in packs:
            tables.insert(packed)
        self._connection.execute("COMMIT")

    def _put(self, name: str, content: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", (name, content, zlib.crc32(content)))

    def _get(self, name: str) -> bytes | None:
        with self._lock:
            try:
                row = self._connection.execute("SELECT content, crc FROM note WHERE name = ?", (name,)).fetchone()
                return checked(*row) if row else None
            except (sqlite3.Error, ValueError) as exc:
                raise damaged(self.path, exc) from exc

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")


def rename_damaged(path: Path) -> Path:
    """Rename a damaged segment and its log so that nobody adopts them again; return the segment's new name."""
    renamed = path.with_suffix(DAMAGED_SUFFIX)
    for name, target in ((path, renamed), (wal_of(path), wal_of(renamed))):
        with contextlib.suppress(FileNotFoundError):
            if name.stat().st_size:
                name.rename(target)
            else:
                name.unlink()
    return renamed


def _keep_log(path: Path) -> None:
    with wal_of(path).open("rb") as log, durable_file(wal_of(path.with_suffix(DAMAGED_SUFFIX)), replace=True) as kept:
        shutil.copyfileobj(log, kept)


def _typed(content: bytes, kind: type[NoteT]) -> NoteT:
    try:
        return msgspec.msgpack.decode(content, type=kind)
    except msgspec.DecodeError as exc:
        message = f"a note in a spool segment was written by another version: {exc}"
        raise DamagedSegmentError(message) from exc

"""Keeps records in one spool file: SQLite in WAL mode, opened by one process at a time (https://sqlite.org/wal.html)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.own_files import free_name, rename_segment
from telemetry.audit.spool.packing import Pack, Row, pack
from telemetry.audit.spool.progress import ChainedProgress, Progress, Step
from telemetry.audit.spool.reading import PROGRESS, SegmentContent, SegmentReader
from telemetry.audit.spool.sealing import (
    SEALED_VERSION,
    SPOOL_PURPOSE,
    About,
    KeyOpener,
    PlainForm,
    RowForm,
    SealedForm,
    decode_about,
    open_source,
    plain_about,
    sealed_about,
    stored_key_of,
)
from telemetry.audit.spool.sqlite_file import checked, create, damaged, is_busy, lock_with_schema, reopen, translated
from telemetry.audit.spool.tables import MAX_FLIP_BYTES, SCHEMA, SMALL_FLIP_BYTES, AlternatingTables, Notes
from telemetry.audit.spool.wal_check import has_lost_commits, keep_log, wal_of
from telemetry.exceptions import FormatError, SpoolError
from telemetry.format.objects.sealed_object import ContentKey
from telemetry.system.fork_gate import ForkGate

SUFFIX = ".spool"
DAMAGED_SUFFIX = ".damaged"
QUARANTINED_SUFFIX = ".quarantined"

_ABOUT = "about"
_CLOSE_SECONDS = 2.0
_TORN_LOG = "its write-ahead log is damaged in the middle"

_encode = msgspec.msgpack.Encoder().encode
_gate = ForkGate()


class SpoolSegment:
    """A file that keeps sealed records until they are settled.

    The records of a commit are packed (MessagePack) into one row of one of two tables, see
    :class:`~telemetry.audit.spool.tables.AlternatingTables`. The lowest position that is not settled is stored with
    every commit, so that little is sent twice after a crash. It is part of the row itself: so a commit is mostly one
    statement, and each statement is a release of the interpreter lock, after which the thread waits its turn. Every row
    has a checksum: SQLite notices when a page is torn, not when a byte in it has changed. The spool thread appends; replay
    and poller threads may close it. ``_lock`` is held during each call to SQLite.

    Args:
        path: The file.
        connection: Connection that has the file's exclusive lock.
        flip_bytes: Size at which a table gives way to the other one, once that is empty.

    Attributes:
        path: The file.
        damage: What is damaged; empty if nothing is known.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, flip_bytes: int = MAX_FLIP_BYTES) -> None:
        self.path = path
        self.damage = ""
        self._connection = connection
        self._tables = AlternatingTables(connection, flip_bytes=flip_bytes)
        self._notes = Notes(connection)
        self._lock = _gate.new_lock()
        self._progress = Progress()
        # Up to which record the leaf hashes are in the file.
        self._leaf_end = 0
        self._form: RowForm = PlainForm()
        self._reader: SegmentReader | None = None
        self._source = ""
        self._has_mark = False

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        producer: str,
        topic: str,
        source: str,
        key: ContentKey | None = None,
        flip_bytes: int = MAX_FLIP_BYTES,
        is_small: bool = False,
    ) -> Self:
        """Create a segment for a producer.

        Args:
            folder: The spool folder.
            producer: The stream.
            topic: Topic of its records.
            source: CloudEvents source of its records.
            key: Key of this segment alone, under which it is sealed; None for format 3, which has checksums alone.
            flip_bytes: Size at which a table gives way to the other one.
            is_small: Whether it should take little of the disk.

        Raises:
            SpoolError: The folder cannot be written, or the disk is full.
        """
        path = folder / f"{producer}{SUFFIX}"
        with _gate.opening():
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except OSError as exc:
                raise translated(exc, path, "create") from exc
            try:
                flip_bytes = min(flip_bytes, SMALL_FLIP_BYTES) if is_small else flip_bytes
                segment = cls(path, create(path, patience=10.0, is_small=is_small), flip_bytes=flip_bytes)
                segment._fill(producer=producer, topic=topic, source=source, key=key)
            except sqlite3.Error as exc:
                # If the file stayed, others would believe that its process is about to fill it.
                for name in (path, wal_of(path)):
                    with contextlib.suppress(OSError):
                        name.unlink()
                raise translated(exc, path, "create") from exc
        return segment

    def _fill(self, *, producer: str, topic: str, source: str, key: ContentKey | None) -> None:
        if key is None:
            about = plain_about(producer=producer, topic=topic, source=source)
        else:
            about = sealed_about(key, producer=producer, topic=topic, source=source)
            self._form, self._progress = SealedForm(key.plaintext, about), ChainedProgress()
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
            for statement in SCHEMA:
                self._connection.execute(statement)
            self._notes.put(_ABOUT, about)
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._connection.close()
            raise

    @classmethod
    def adopt(cls, path: Path, keys: KeyOpener | None = None) -> Self | None:
        """Open the segment of a dead process.

        Args:
            path: The file.
            keys: Open its key. Without them a sealed segment is locked, and not read.

        Returns:
            None while its process lives, when another one has adopted or already settled it, and when its process ended
            before anything was in it.

        Raises:
            DamagedSegmentError: Nothing in the file can be read.
            ForeignFileError: It is not a file that this library wrote; it is left as it is.
            SpoolError: The file cannot be opened now.
            EncryptionError: Its key is not at hand.
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
        # After the gate: a key service may have to be asked.
        if segment is not None:
            segment.unlock(keys)
        return segment

    @classmethod
    def _locked(cls, path: Path, connection: sqlite3.Connection) -> Self | None:
        # 1. Lock the file, and check that it has the tables of a segment and nothing else.
        has_tables = lock_with_schema(connection, path, SCHEMA)
        # 2. Another process may have settled and deleted it since it was listed.
        if not path.exists():
            connection.close()
            return None
        # 3. Check the log before anything is written: SQLite considers a log that is damaged in its middle to end there.
        has_lost = has_lost_commits(connection, path)
        if has_lost:
            # Closing the file deletes the log, and with it what a person might still read there.
            with contextlib.suppress(OSError):
                keep_log(path, free_name(path, DAMAGED_SUFFIX))
        segment = cls(path, connection)
        if has_tables:
            segment.damage = _TORN_LOG if has_lost else ""
            return segment
        # 4. No tables: the process was killed before its first commit, unless that commit was in the damaged log.
        if has_lost:
            raise damaged(path, _TORN_LOG)
        segment.remove()
        return None

    def unlock(self, keys: KeyOpener | None) -> None:
        """Read what the last commits say about themselves."""
        try:
            content, about = self._get(_ABOUT), self.about
            if about is not None and about.version == SEALED_VERSION and content is not None:
                if keys is None:
                    return
                stored = stored_key_of(content)
                key, self._has_mark = keys.open(stored, SPOOL_PURPOSE), keys.marks(stored)
                self._source, self._form = open_source(content, key), SealedForm(key, content)
        except FormatError as exc:
            self.close()
            raise damaged(self.path, exc) from exc
        except SpoolError as exc:
            about, self.damage = None, self.damage or str(exc)
        except BaseException:
            self.close()
            raise
        reader = self._new_reader()
        self._reader, self._progress = reader, reader.progress
        self._form.go_back(reader.last)
        if about is None:
            self.damage = self.damage or "its first entry cannot be read"
        self.damage = self.damage or reader.damage

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
            content = self._get(_ABOUT)
            about = decode_about(content) if content is not None else None
        except (SpoolError, ValueError):  # a msgspec error is a ValueError
            return None
        if about is not None and about.version == SEALED_VERSION:
            about.source = self._source
        return about

    @property
    def is_marked(self) -> bool:
        """Whether its key shows that this service wrote it: anyone who may unwrap can seal one, too."""
        return self._form.is_chained and self._has_mark

    @property
    def settled_below(self) -> int:
        """The lowest position that is not settled, as of the last commit."""
        return self._progress.settled_below

    @property
    def is_whole(self) -> bool:
        """Whether everything was read that the last commit chains, and nothing is damaged."""
        return not self.damage and self._reader is not None and self._reader.is_whole

    @property
    def tree(self) -> TreeState | None:
        """The tree of the last commit, once everything was read; None where none is kept, or after damage."""
        about = self.about
        if about is None or self._reader is None or not self.is_whole:
            return None
        return self._reader.tree(about.producer)

    def first_wanted_leaf(self, settled_below: int) -> int | None:
        """Return from which record on the next :meth:`append` needs leaf hashes; None for none.

        Args:
            settled_below: As it will be given there.
        """
        if not self._form.is_chained:
            return None
        # A table that is emptied takes leaf hashes with it that no checkpoint may have yet.
        return 0 if self._tables.may_empty(settled_below) else self._leaf_end

    def append(self, records: Sequence[SealedRecord], *, settled_below: int, tree: TreeState | None) -> None:
        """Commit records and the state of the tree with one synchronisation.

        Raises:
            SpoolError: The disk is full or fails; nothing of this call is in the segment.
        """
        with self._lock:
            form, tables = self._form, self._tables
            last, state = form.last, tables.state
            step = Step(self._progress, settled_below, tree, leaf_end=self._leaf_end, mark=tables.active_mark)
            empties = tables.may_empty(settled_below) and step.may_empty(has_records=bool(records))
            progress = step.progress(oldest=last.row + 1 - tables.active_rows if empties else None)
            try:
                packs = [each._replace(content=form.seal_row(each.content)) for each in pack(records, progress)]
                # A statement outside a transaction is a transaction of its own.
                if len(packs) == 1 and tables.follows_all(packs) and not empties:
                    tables.change_roles()
                    tables.insert(packs[0], mark=self._leaf_end)
                else:
                    self._commit(packs, progress, empties=empties)
            except sqlite3.Error as exc:
                self._roll_back()
                form.go_back(last)
                tables.restore(state)
                raise translated(exc, self.path, "write") from exc
            self._progress = progress
            if tree is not None:
                self._leaf_end = tree.size

    def note_settled(self, settled_below: int) -> None:
        """Commit progress without new records."""
        self.append((), settled_below=settled_below, tree=None)

    def rows(self) -> Iterator[Row]:
        """Yield position, event id, key and value of what is not settled, in order of position.

        Raises:
            SpoolError: The file is damaged; what was yielded is sound.
        """
        yield from self._reading().rows()

    def rows_backwards(self) -> Iterator[Row]:
        """Yield every sound row that can be read from the end of each table; used when :meth:`rows` met damage."""
        yield from self._reading().rows_backwards()

    def close(self, *, syncs: bool = True) -> None:
        """Release the file's lock; what is not settled stays. A file that is deleted need not be on the disk (``syncs``)."""
        # A disk that hangs keeps `_lock` with the thread that writes; the end of the process releases everything.
        if self._lock.acquire(timeout=_CLOSE_SECONDS):
            try:
                with contextlib.suppress(sqlite3.Error):
                    if not syncs:
                        self._connection.execute("PRAGMA synchronous = OFF")
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
            self.close(syncs=False)

    def set_apart(self, suffix: str) -> Path:
        """Rename the file so that nobody adopts it again; return its new name."""
        renamed = rename_segment(self.path, suffix)
        self.close()
        return renamed

    def _reading(self) -> SegmentReader:
        # A segment that this process writes is read in tests alone.
        return self._reader or self._new_reader()

    def _new_reader(self) -> SegmentReader:
        return SegmentReader(SegmentContent(self.path, self._tables, self._notes, self._lock), self._form)

    def _commit(self, packs: Sequence[Pack], progress: Progress, *, empties: bool) -> None:
        tables = self._tables
        self._connection.execute("BEGIN IMMEDIATE")
        if empties:
            tables.empty_inactive()
        tables.change_roles()
        if not tables.follows_all(packs):
            # The next process reads the progress of a table's last row only, and these rows will not be the last.
            self._notes.put(PROGRESS, self._form.seal_note(_encode(progress)))
        for packed in packs:
            tables.insert(packed, mark=self._leaf_end)
        self._connection.execute("COMMIT")

    def _get(self, name: str) -> bytes | None:
        with self._lock:
            try:
                row = self._notes.get(name)
                return checked(*row) if row else None
            except (sqlite3.Error, ValueError) as exc:
                raise damaged(self.path, exc) from exc

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")

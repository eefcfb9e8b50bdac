"""Reads what a process left in its segment: its records, and the state at its last commit."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.audit.spool.packing import Row, progress_of, unpack
from telemetry.audit.spool.progress import ChainedProgress, Progress, RelayedProgress
from telemetry.audit.spool.sealing import Chain, Link, OpenedRow, RowForm
from telemetry.audit.spool.sqlite_file import checked, damaged, translated
from telemetry.audit.spool.tables import TABLES, AlternatingTables, Notes, StoredPack
from telemetry.exceptions import SpoolError
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.format.proof.relayed_runs import Run
from telemetry.system.fork_gate import GatedLock

PROGRESS = "progress"
"""Name of the note with the progress of a commit whose rows are not the last ones."""

_AFTER_ALL = 1 << 62
"""A position that no record reaches."""


class SegmentContent(NamedTuple):
    """Where the content of a segment is.

    Attributes:
        path: The file.
        tables: Its packs.
        notes: Its named entries.
        lock: Is held during each call to SQLite.
    """

    path: Path
    tables: AlternatingTables
    notes: Notes
    lock: GatedLock


class SegmentReader:
    """Reads a segment of a dead process.

    Args:
        content: Where its content is.
        form: Form of its rows.

    Attributes:
        progress: Progress at the last commit.
        last: Its last row; there is none where rows are not chained.
        damage: What is damaged; empty if nothing is known.
    """

    def __init__(self, content: SegmentContent, form: RowForm) -> None:
        self._content = content
        self._form = form
        self._leaves: list[tuple[int, bytes]] = []
        self.progress, self.last, self.damage = Progress(), Link(), ""
        try:
            # The highest commit counts, in whichever of the three places it is stored.
            found = [self._noted_progress(), *(self._last_progress(table) for table in TABLES)]
            self.progress, self.last = max(found, key=lambda each: each[0].commit)
        except SpoolError as exc:
            self.damage = str(exc)
        self._chain = Chain(self._chained.oldest, self.last)

    @property
    def is_whole(self) -> bool:
        """Whether all rows were read that the last commit chains; without a chain always."""
        return not self._form.is_chained or self._chain.is_whole

    def tree(self, producer: str) -> TreeState | None:
        """Return the tree as of the last commit, once all rows were read; None where none was kept.

        Args:
            producer: The stream.
        """
        progress = self._chained
        if self.progress.tree_size is None:
            return None
        tree = TreeState(producer, self.progress.tree_size, self.progress.frontier)
        if progress.signed_size is None:
            return tree
        return tree._replace(
            signed_size=progress.signed_size,
            signed_frontier=progress.signed_frontier,
            signed_at=progress.signed_at,
            leaves=self._leaves_from(progress.signed_size),
            leaves_from=progress.signed_size,
            keys=tuple(KeySpan(*key) for key in progress.keys),
            relayed=tuple(Run(*run) for run in progress.relayed) if isinstance(progress, RelayedProgress) else (),
        )

    def rows(self) -> Iterator[Row]:
        """Yield position, event id, key and value of what is not settled, in order of position.

        Raises:
            SpoolError: The file is damaged; what was yielded is sound.
        """
        position = -1
        while True:
            with self._content.lock:
                try:
                    stored = self._content.tables.next_after(position)
                except sqlite3.Error as exc:
                    raise translated(exc, self._content.path, "read") from exc
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

    @property
    def _chained(self) -> ChainedProgress:
        return self.progress if isinstance(self.progress, ChainedProgress) else ChainedProgress()

    def _leaves_from(self, start: int) -> bytes:
        """Return the leaf hashes from a record on, as far as they are there without a hole."""
        joined, end = bytearray(), start
        for first, leaves in sorted(self._leaves):
            if first > end:
                break
            fresh = leaves[(end - first) * HASH_BYTES :]
            joined += fresh
            end += len(fresh) // HASH_BYTES
        return bytes(joined)

    def _noted_progress(self) -> tuple[Progress, Link]:
        path = self._content.path
        with self._content.lock:
            try:
                stored = self._content.notes.get(PROGRESS)
                if stored is None:
                    return Progress(), Link()
                opened = self._form.open_note(checked(*stored))
                kind = RelayedProgress if self._form.is_chained else Progress
                return msgspec.msgpack.decode(opened.content, type=kind), opened.link or Link()
            except (sqlite3.Error, msgspec.DecodeError, ValueError) as exc:
                raise damaged(path, exc) from exc

    def _last_progress(self, table: str) -> tuple[Progress, Link]:
        """Return the progress in a table's last row."""
        try:
            stored = self._last_before(table, _AFTER_ALL)
            if stored is None:
                return Progress(), Link()
            opened = self._opened(stored)
            return progress_of(opened.content, is_chained=self._form.is_chained), opened.link or Link()
        except (sqlite3.Error, msgspec.DecodeError, ValueError) as exc:
            raise damaged(self._content.path, exc) from exc

    def _last_before(self, table: str, position: int) -> StoredPack | None:
        with self._content.lock:
            return self._content.tables.last_before(table, position)

    def _opened(self, stored: StoredPack) -> OpenedRow:
        return self._form.open_row(checked(*stored[1:]))

    def _unsettled(self, stored: StoredPack) -> list[Row]:
        is_chained = self._form.is_chained
        try:
            opened = self._opened(stored)
            rows = unpack(opened.content, is_chained=is_chained)
            if not rows or rows[0][0] != stored[0]:
                message = "a row is not in its place"
                raise ValueError(message)  # noqa: TRY301 - as what else a row can be
            if is_chained:
                self._note(opened)
        except (msgspec.DecodeError, ValueError) as exc:
            raise damaged(self._content.path, exc) from exc
        return [row for row in rows if row[0] >= self.progress.settled_below]

    def _note(self, opened: OpenedRow) -> None:
        self._chain.add(opened)
        progress, signed = progress_of(opened.content, is_chained=True), self._chained.signed_size
        if signed is not None and isinstance(progress, ChainedProgress):
            self._leaves += [
                (first, leaves) for first, leaves in progress.leaves if first + len(leaves) // HASH_BYTES > signed
            ]

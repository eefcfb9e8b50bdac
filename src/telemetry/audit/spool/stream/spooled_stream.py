"""Commits the records of one stream to a segment of its own, and passes them on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.receipt import mark_durable, notify
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.disk_state import DiskState
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.spool.stream.settled_prefix import SettledPrefix
from telemetry.exceptions import EncryptionError, SpoolError

logger = logging.getLogger("telemetry.spool")


class CommittedQueue(Protocol):
    """Accepts records after they are on disk, as the batcher does."""

    def extend(self, records: list[SealedRecord], /) -> None:
        """Append records, in order."""


class DirtyStreams(Protocol):
    """Learns which streams have records to commit; the spool, in a process."""

    def note_dirty(self, stream: SpooledStream) -> None:
        """Commit this stream's records soon; the intakes' lock is held."""


class SpooledStream:
    """One stream's part of the spool.

    Records reach the queue after they are on disk. While the disk rejects them they continue unspooled, with an error
    in the log, and their receipts become durable with the delivery.

    Callers of ``log()`` append to ``_incoming`` under the intakes' lock. The spool thread swaps that list, commits it
    without the lock, and passes it on. A list is in ``_writing`` from the swap until it is passed on, so that it can be taken
    away from a thread that hangs in the disk; the thread that empties ``_writing`` passes it on.

    Args:
        dirty: Notified when there is something to commit.
        lock: The intakes' lock.
        source: Creates the segment with the first record.
        queue: Accepts committed records.
        tree: The producer's tree; its state is committed with the records.
        settled: Tracks what of the stream is settled.
        disk: State of the disk, which all streams share.
        segment: The segment, if there is one already.
        most: How many records are committed at once; None for all that there are.
    """

    def __init__(
        self,
        dirty: DirtyStreams,
        *,
        lock: threading.Lock,
        source: Segments,
        queue: CommittedQueue,
        tree: ProducerTree,
        settled: SettledPrefix,
        disk: DiskState,
        segment: SpoolSegment | None = None,
        most: int | None = None,
    ) -> None:
        self._most = most
        self._dirty = dirty
        self._lock = lock
        self._source = source
        self._queue = queue
        self._tree = tree
        self._settled = settled
        self._disk = disk
        self._segment = segment
        self._incoming: list[SealedRecord] = []
        self._writing: list[SealedRecord] = []
        self._is_quiet = True
        tree.allow_signing(tree.state())

    @property
    def size(self) -> int:
        """Bytes on disk."""
        segment = self._segment
        return segment.size if segment is not None else 0

    @property
    def producer(self) -> str:
        """UUIDv7 of the stream."""
        return self._tree.producer

    @property
    def may_progress(self) -> bool:
        """Whether records may be settled soon, or are already, that the file does not know of."""
        return self._settled.outstanding > 0 or (self._segment is not None and not self._settled.is_noted)

    def add(self, record: SealedRecord) -> None:
        """Append a record; the caller of ``log()`` calls this with the lock held."""
        incoming = self._incoming
        if not incoming:
            self._dirty.note_dirty(self)
        incoming.append(record)

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store; called by the ledger, in its threads."""
        self._settled.settle(records)

    def keep_open_for(self, record: SealedRecord) -> None:
        """Keep the segment until a record that is not in it, such as a checkpoint, is settled."""
        record.segment = self
        self._settled.add_outside()

    def take(self) -> None:
        """Move what has come in to what is being written; the spool thread calls this with the lock held."""
        records, self._incoming = self._incoming, []
        if self._most is not None and len(records) > self._most:
            # The others have their turn before the rest.
            records, self._incoming = records[: self._most], records[self._most :]
            self._dirty.note_dirty(self)
        self._writing = records

    @property
    def lacks_file(self) -> bool:
        """Whether its file is to be created before the next commit."""
        return self._segment is None and self._disk.may_try

    def create_file(self) -> None:
        """Create the file, in a thread that delays no other stream; without one the records go on unspooled."""
        try:
            self._opened()
        except Exception as exc:  # noqa: BLE001 - the events must continue, with any fault of the disk
            self._disk.note_failure(exc)

    def commit(self) -> None:
        """Commit what was taken, and pass it on."""
        records = self._writing
        self._is_quiet = False
        self._pass_on(records, self._commit_or_skip(records))

    def pass_on_unspooled(self) -> None:
        """Pass on what was taken, without a commit."""
        records = self._writing
        if records:
            self._settled.add_uncommitted(records)
            self._pass_on(records, self._hashed(records))

    def note_progress(self, *, is_idle: bool) -> None:
        """Tell the file what is settled.

        Args:
            is_idle: Nothing is to be committed. Otherwise this is done only if no commit has done so since the last call.
        """
        is_quiet, self._is_quiet = self._is_quiet or is_idle, True
        if is_quiet and not self._settled.is_noted and self._segment is not None:
            self._commit(self._segment, (), None, settled_below=self._settled.below)

    def try_the_disk(self) -> None:
        """Commit nothing, to see whether the disk accepts it."""
        if self._segment is not None and self._commit(self._segment, (), None, settled_below=self._settled.below):
            self._disk.note_success()

    def take_stuck(self) -> list[SealedRecord]:
        """Return what the spool thread has not passed on; the lock is held."""
        stuck = [*self._writing, *self._incoming]
        self._writing, self._incoming = [], []
        return stuck

    def pass_on_stuck(self, stuck: list[SealedRecord]) -> None:
        """Pass on what :meth:`take_stuck` returned."""
        # Hashed here, because the sender does not hash what comes from a spool.
        self._tree.allow_signing(self._tree.absorb(stuck))
        self._queue.extend(stuck)

    def save(self, records: Sequence[SealedRecord]) -> None:
        """Commit records that went on uncommitted and that nothing accepted before the process ends.

        The disk may accept now what it rejected then. If it does not, the records are left as they are.
        """
        ordered = sorted(records, key=_position)
        self._settled.reopen(_position(ordered[0]))
        try:
            segment = self._opened()
            tree = self._tree.absorb(ordered, leaves_from=segment.first_wanted_leaf(self._settled.below))
            for run in _runs(ordered):
                segment.append(run, settled_below=self._settled.below, tree=tree)
                self._settled.add_late(run)
                self._mark_spooled(run)
        except (SpoolError, EncryptionError) as exc:
            logger.error("the spool still rejects writes at the end of the process: %s", exc)  # noqa: TRY400 - the cause is in the line

    def close(self, *, note_progress: bool) -> int:
        """End; delete the file if everything is settled.

        Args:
            note_progress: Whether this thread may write: what was acknowledged since the spool's thread ended need not be sent
                again by the next process.

        Returns:
            How many records stay in the file for the next process.
        """
        left = self._settled.outstanding
        segment = self._segment
        if segment is None:
            return left
        if left == 0:
            segment.remove()
        else:
            if note_progress and not self._settled.is_noted:
                self._commit(segment, (), None, settled_below=self._settled.below)
            segment.close()
        return left

    @property
    def ended_tree(self) -> TreeState | None:
        """The tree with which the stream ends, if everything in its file is settled; else None."""
        return self._tree.state() if self._segment is not None and self.is_settled else None

    @property
    def is_settled(self) -> bool:
        """Whether nothing needs the file any more."""
        return self._settled.outstanding == 0

    def _hashed(self, records: Sequence[SealedRecord]) -> TreeState | None:
        try:
            return self._tree.absorb(records)
        except Exception as exc:  # noqa: BLE001 - events without a proof are better than none
            logger.error("events cannot be hashed, so no checkpoint will cover them: %s", type(exc).__name__)  # noqa: TRY400 - as above
            return None

    def _pass_on(self, records: list[SealedRecord], tree: TreeState | None) -> None:
        with self._lock:
            is_ours, self._writing = self._writing is records, []
            if is_ours:
                # Before the sender has them: it signs what it has.
                self._tree.allow_signing(tree)
        # Otherwise a shutdown lost its patience and has passed them on.
        if is_ours:
            self._queue.extend(records)

    def _commit_or_skip(self, records: list[SealedRecord]) -> TreeState | None:
        """Commit records if the disk accepts them; return the tree over all that was hashed."""
        below = self._settled.below
        segment = self._opened_if_possible()
        # The tree gets all records, whether the disk accepts them or not.
        leaves_from = segment.first_wanted_leaf(below) if segment is not None else None
        tree = self._tree.absorb(records, leaves_from=leaves_from)
        is_tried = segment is not None and self._disk.may_try
        if segment is not None and is_tried and self._commit(segment, records, tree, settled_below=below):
            self._disk.note_success()
            self._settled.add(records)
            self._mark_spooled(records)
        else:
            self._settled.add_uncommitted(records)
        return tree

    def _opened_if_possible(self) -> SpoolSegment | None:
        if self._segment is not None:
            return self._segment
        if not self._disk.may_try:
            return None
        self._disk.note_begun()
        try:
            return self._opened()
        except Exception as exc:  # noqa: BLE001 - the events must continue, with any fault of the disk
            self._disk.note_failure(exc)
            return None

    def _opened(self) -> SpoolSegment:
        if self._segment is None:
            self._segment = self._source.create(self.producer)
        return self._segment

    def _mark_spooled(self, records: Sequence[SealedRecord]) -> None:
        # The records are counted already: from here on somebody may settle them.
        waited = []
        for record in records:
            record.segment = self
            if record.receipt is not None and mark_durable(record.receipt):
                waited.append(record.receipt)
        if waited:
            notify(waited)

    def _commit(
        self, segment: SpoolSegment, records: Sequence[SealedRecord], tree: TreeState | None, *, settled_below: int
    ) -> bool:
        self._disk.note_begun()
        try:
            segment.append(records, settled_below=settled_below, tree=tree)
        except Exception as exc:  # noqa: BLE001 - the events must continue, with any fault of the disk
            self._disk.note_failure(exc)
            return False
        self._settled.noted_below = settled_below
        return True


def _position(record: SealedRecord) -> int:
    return -1 if record.sequence is None else record.sequence


def _runs(records: Sequence[SealedRecord]) -> Iterator[list[SealedRecord]]:
    """Yield records in runs without a gap: what a segment has in between must stay between them."""
    for _, run in groupby(enumerate(records), key=lambda numbered: _position(numbered[1]) - numbered[0]):
        yield [record for _, record in run]

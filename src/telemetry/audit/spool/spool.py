"""Makes accepted events survive the process: group commit of sealed records to a file of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.receipt import mark_durable, notify
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.disk_state import DiskState
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.settled_prefix import SettledPrefix
from telemetry.exceptions import SpoolError
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.spool")

_PROGRESS_SECONDS = 0.5
"""How long settled records may stay unrecorded on disk while no new ones arrive."""
_JOIN_SECONDS = 10.0


class CommittedQueue(Protocol):
    """Accepts records after they are on disk, as the batcher does."""

    def extend(self, records: list[SealedRecord], /) -> None:
        """Append records, in order."""


class Spool:
    """The spool thread: many events, one synchronisation with the disk.

    Records reach the queue after they are on disk. While the disk rejects them they continue unspooled, with an error
    in the log, and their receipts become durable with the delivery.

    Callers of ``log()`` append to ``_incoming`` under the intake's lock. The spool thread swaps that list, commits it
    without the lock, and passes it on. A list is in ``_writing`` from the swap until it is passed on, so that
    :meth:`stop` can take it away from a thread that hangs in the disk; the thread that empties ``_writing`` passes it on.

    Args:
        segment: This process's file.
        lock: Shared with the intake; :meth:`add` is called with it held.
        queue: Accepts committed records.
        tree: The producer's tree; its state is committed with the records.
        room: Room of accepted events; the spool withholds in it what settled records still occupy in the file.
        max_kept_bytes: How many settled bytes may stay on disk after a record that is not settled.
        state: Remembers the tree with which the stream ended; None where nothing is remembered.
    """

    def __init__(
        self,
        segment: SpoolSegment,
        *,
        lock: threading.Lock,
        queue: CommittedQueue,
        tree: ProducerTree,
        room: Room,
        max_kept_bytes: int = 1 << 60,
        state: FolderState | None = None,
    ) -> None:
        self._segment = segment
        self._changed = threading.Condition(lock)
        self._queue = queue
        self._tree = tree
        self._state = state
        self._incoming: list[SealedRecord] = []
        self._writing: list[SealedRecord] = []
        self._asleep = False
        self._settled = SettledPrefix(room=room, max_kept_bytes=max_kept_bytes)
        self._disk = DiskState()
        # The lowest unsettled position as the file knows it.
        self._noted_below = 0
        tree.allow_signing(tree.state())
        self._worker = Worker("telemetry-spool", self._run)
        self._worker.start()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._segment.size

    @property
    def is_accepting(self) -> bool:
        """Whether its last commit succeeded, and its thread runs."""
        return self._worker.is_alive and not self._disk.is_broken

    @property
    def busy_since(self) -> float | None:
        """Since when the disk works on a commit, in monotonic seconds; None while it does not."""
        return self._disk.busy_since

    def add(self, record: SealedRecord) -> None:
        """Append a record; the caller of ``log()`` calls this with the lock held."""
        self._incoming.append(record)
        # Notifying costs a system call, so it is done only for a thread that sleeps.
        if self._asleep:
            self._asleep = False
            self._changed.notify()

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store; called by the ledger, in its threads."""
        self._settled.settle(records)

    def keep_open_for(self, record: SealedRecord) -> None:
        """Keep the segment until a record that is not in it, such as a checkpoint, is settled."""
        record.segment = self
        self._settled.add_outside()

    def save(self, records: Sequence[SealedRecord]) -> None:
        """Commit records that went on uncommitted and that nothing accepted before the process ends.

        The disk may accept now what it rejected then. If it does not, the records are left as they are.
        """
        if not records or self._worker.is_alive:
            return
        ordered = sorted(records, key=_position)
        self._settled.reopen(_position(ordered[0]))
        tree = self._tree.absorb(ordered, leaves_from=self._segment.first_wanted_leaf(self._settled.below))
        try:
            for run in _runs(ordered):
                self._segment.append(run, settled_below=self._settled.below, tree=tree)
                self._settled.add_late(run)
                self._mark_spooled(run)
        except SpoolError as exc:
            logger.error("the spool still rejects writes at the end of the process: %s", exc)  # noqa: TRY400 - the cause is in the line

    def close(self) -> int:
        """Commit what is there and end; delete the file if everything is settled.

        Returns:
            How many records stay in the file for the next process.
        """
        if not self._worker.is_stopping:
            self.stop()
        left = self._settled.outstanding
        if left == 0:
            tree = self._tree.state()
            if self._state is not None and tree is not None:
                self._state.note_ended(tree)
            self._segment.remove()
        else:
            if not self._worker.is_alive:
                # What was acknowledged since the thread ended need not be sent again by the next process.
                self._note_progress()
            self._segment.close()
        return left

    def stop(self, timeout: float = _JOIN_SECONDS) -> None:
        """Commit what is there, pass it on, and end the thread; the segment stays open for acknowledgements.

        Args:
            timeout: Seconds after which records continue uncommitted.
        """
        with self._changed:
            self._worker.ask_to_stop()
            self._changed.notify_all()
        has_ended = self._worker.join(timeout)
        with self._changed:
            stuck = [*self._writing, *self._incoming]
            self._writing, self._incoming = [], []
        if not stuck:
            return
        why = (
            "the spool's thread ended because of an unexpected error"
            if has_ended
            else "the spool's disk does not answer"
        )
        logger.error("%s, %d events continue unspooled; check the disk and the log", why, len(stuck))
        # Hashed here, because the sender does not hash what comes from a spool.
        self._tree.allow_signing(self._tree.absorb(stuck))
        self._queue.extend(stuck)

    def _run(self) -> None:
        try:
            while (records := self._taken()) is not None:
                if records:
                    self._pass_on(records, self._commit_or_skip(records))
                elif self._disk.is_broken:
                    self._try_again()
                else:
                    self._note_progress()
        except BaseException as exc:  # noqa: BLE001 - whatever it is: without this thread the events would wait for ever
            self._go_on_unspooled(exc)

    def _go_on_unspooled(self, error: BaseException) -> None:
        """Pass records on as if the disk had failed for good, after an error that nobody foresaw."""
        # Only its class: an error that nobody knows may quote anything.
        self._disk.note_failure(SpoolError(f"its thread met an unexpected {type(error).__name__}; restart the process"))
        # First those that the error found in hand.
        records: list[SealedRecord] | None = self._writing
        while records is not None:
            if records:
                self._settled.add_uncommitted(records)
                self._pass_on(records, self._hashed(records))
            records = self._taken()

    def _hashed(self, records: Sequence[SealedRecord]) -> TreeState | None:
        try:
            return self._tree.absorb(records)
        except Exception as exc:  # noqa: BLE001 - events without a proof are better than none
            logger.error("events cannot be hashed, so no checkpoint will cover them: %s", type(exc).__name__)  # noqa: TRY400 - as above
            return None

    def _taken(self) -> list[SealedRecord] | None:
        """Wait, and return the records to commit; none when only progress is due, and None when the thread should end."""
        with self._changed:
            if not self._incoming and not self._worker.is_stopping:
                self._asleep = True
                self._changed.wait(_PROGRESS_SECONDS if self._disk.is_broken or self._may_progress() else None)
                self._asleep = False
            records, self._incoming = self._incoming, []
            self._writing = records
            return None if not records and self._worker.is_stopping else records

    def _pass_on(self, records: list[SealedRecord], tree: TreeState | None) -> None:
        with self._changed:
            is_ours, self._writing = self._writing is records, []
            if is_ours:
                # Before the sender has them: it signs what it has.
                self._tree.allow_signing(tree)
        # Otherwise stop() lost its patience and has passed them on.
        if is_ours:
            self._queue.extend(records)

    def _commit_or_skip(self, records: list[SealedRecord]) -> TreeState | None:
        """Commit records if the disk accepts them; return the tree over all that was hashed."""
        below = self._settled.below
        # The tree gets all records, whether the disk accepts them or not.
        tree = self._tree.absorb(records, leaves_from=self._segment.first_wanted_leaf(below))
        if self._disk.may_try and self._commit(records, tree, settled_below=below):
            self._disk.note_success()
            self._settled.add(records)
            self._mark_spooled(records)
        else:
            self._settled.add_uncommitted(records)
        return tree

    def _mark_spooled(self, records: Sequence[SealedRecord]) -> None:
        # The records are counted already: from here on somebody may settle them.
        waited = []
        for record in records:
            record.segment = self
            if record.receipt is not None and mark_durable(record.receipt):
                waited.append(record.receipt)
        if waited:
            notify(waited)

    def _may_progress(self) -> bool:
        """Return whether records may be settled soon, or are already, that the file does not know of."""
        return self._settled.outstanding > 0 or self._settled.below > self._noted_below

    def _try_again(self) -> None:
        """Try a broken disk without records: while the queue is full, none may come that would find out."""
        if self._disk.may_try and self._commit((), None, settled_below=self._settled.below):
            self._disk.note_success()

    def _note_progress(self) -> None:
        below = self._settled.below
        if below != self._noted_below:
            self._commit((), None, settled_below=below)

    def _commit(self, records: Sequence[SealedRecord], tree: TreeState | None, *, settled_below: int) -> bool:
        self._disk.note_begun()
        try:
            self._segment.append(records, settled_below=settled_below, tree=tree)
        except Exception as exc:  # noqa: BLE001 - the events must continue, with any fault of the disk
            self._disk.note_failure(exc)
            return False
        self._noted_below = settled_below
        return True


def _position(record: SealedRecord) -> int:
    return -1 if record.sequence is None else record.sequence


def _runs(records: Sequence[SealedRecord]) -> Iterator[list[SealedRecord]]:
    """Yield records in runs without a gap: what a segment has in between must stay between them."""
    for _, run in groupby(enumerate(records), key=lambda numbered: _position(numbered[1]) - numbered[0]):
        yield [record for _, record in run]

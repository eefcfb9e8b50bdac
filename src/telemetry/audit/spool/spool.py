"""Makes accepted events survive the process: group commit of sealed records to a file of their own."""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Protocol

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.receipt import mark_durable, notify
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.exceptions import SpoolError

logger = logging.getLogger("telemetry.spool")

_TIDY_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_JOIN_SECONDS = 10.0


class CommittedQueue(Protocol):
    """The station after the spool; the batcher, in a pipeline."""

    def extend(self, records: Sequence[SealedRecord]) -> None:
        """Append committed records, in order."""


class Spool:
    """The spool thread: many events, one synchronisation with the disk.

    Records reach the batcher after they are on disk. While the disk does not take them they go on undurable, with an
    error in the log, and their receipts become durable with the delivery.

    Args:
        segment: This process's file.
        lock: Shared with the intake; :meth:`add` is called under it.
        queue: Accepts committed records, in order.
        tree: The producer's tree; its state is committed with the records.
        room: Room of accepted events; the spool withholds in it what the file still needs.
        most_behind: How many settled bytes may stay on disk after a record that is not settled.
    """

    def __init__(
        self,
        segment: SpoolSegment,
        *,
        lock: threading.Lock,
        queue: CommittedQueue,
        tree: ProducerTree,
        room: Room,
        most_behind: int = 1 << 60,
    ) -> None:
        self._segment = segment
        self._changed = threading.Condition(lock)
        self._queue = queue
        self._tree = tree
        self._room = room
        self._incoming: list[SealedRecord] = []
        self._writing: list[SealedRecord] = []
        self._asleep = False
        self._closing = False
        self._settled_lock = threading.Lock()
        self._settled: set[int] = set()
        self._settled_below = 0
        self._sizes: deque[int] = deque()
        self._behind = 0
        self._most_behind = most_behind
        self._noted_below = 0
        self._outstanding = 0
        self._broken_since: float | None = None
        self._retry_at = 0.0
        self._thread = threading.Thread(target=self._run, name="telemetry-spool", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._segment.size

    @property
    def is_working(self) -> bool:
        """Whether the disk takes records."""
        return self._broken_since is None

    def add(self, record: SealedRecord) -> None:
        """Append a record; the lock is held."""
        self._incoming.append(record)
        if self._asleep:
            self._asleep = False
            self._changed.notify()

    def acknowledge(self, records: list[SealedRecord]) -> None:
        """Forget records that are on the topic or in the fallback store."""
        with self._settled_lock:
            self._outstanding -= len(records)
            below, settled, sizes = self._settled_below, self._settled, self._sizes
            settled.update(record.sequence for record in records if record.sequence is not None)
            behind = self._behind + sum(record.size for record in records if record.sequence is not None)
            while below in settled:
                settled.discard(below)
                below += 1
                behind -= sizes.popleft() if sizes else 0
            self._settled_below, self._behind = below, behind
            # The file forgets records in their order only: one that stays unsettled keeps all those after it. Beyond a
            # bound their room is withheld, though they are settled; the ledger gives the rest back right after this.
            self._room.withhold(max(behind - self._most_behind, 0))

    def hold(self, record: SealedRecord) -> None:
        """Keep the segment until a record that is not in it, such as a checkpoint, is settled."""
        record.segment = self
        with self._settled_lock:
            self._outstanding += 1

    def save(self, records: Sequence[SealedRecord]) -> None:
        """Commit records that went on without having been committed: nobody else took them, and the process ends.

        The disk may take now what it did not take then. If it does not, the records are left as they are.
        """
        if not records or self._thread.is_alive():
            return
        kept = sorted(records, key=_sequence)
        tree = self._tree.absorb(kept)
        with self._settled_lock:
            # They had been counted as settled here.
            self._settled_below = min(self._settled_below, _sequence(kept[0]))
        try:
            for run in _runs(kept):
                self._segment.append(run, settled_below=self._settled_below, tree=tree)
                self._own(run)
        except SpoolError as exc:
            logger.error("the disk of the spool still takes nothing: %s", exc)  # noqa: TRY400 - the message says all

    def close(self) -> int:
        """Commit what is there and end; delete the file if everything is settled, else return how many events stay."""
        if not self._closing:
            self.stop()
        with self._settled_lock:
            left = self._outstanding
        if left == 0:
            self._segment.remove()
        else:
            if not self._thread.is_alive():
                # What was acknowledged since the thread ended need not be sent again by the next process.
                self._tidy()
            self._segment.close()
        return left

    def stop(self, timeout: float = _JOIN_SECONDS) -> None:
        """Commit what is there, hand it on, and end the thread; the segment stays open for acknowledgements.

        Args:
            timeout: After these seconds records go on without having been committed.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        if self._thread.is_alive():
            with self._changed:
                stuck = [*self._writing, *self._incoming]
                self._writing, self._incoming = [], []
            logger.error("the disk of the spool does not answer; %d events go on without it", len(stuck))
            # Hashed here, because the sender does not hash what comes from a spool.
            self._tree.absorb(stuck)
            self._queue.extend(stuck)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._incoming and not self._closing:
                    self._asleep = True
                    self._changed.wait(_TIDY_SECONDS if self._untidy() else None)
                    self._asleep = False
                records, self._incoming = self._incoming, []
                self._writing = records
                closing = self._closing
            if records:
                self._keep(records, self._tree.absorb(records))
                self._hand_on(records)
            elif closing:
                return
            else:
                self._tidy()

    def _hand_on(self, records: list[SealedRecord]) -> None:
        with self._changed:
            is_ours, self._writing = self._writing is records, []
        # Else stop() lost its patience and has handed them on.
        if is_ours:
            self._queue.extend(records)

    def _keep(self, records: list[SealedRecord], tree: TreeState | None) -> None:
        broken = self._broken_since is not None
        is_kept = not (broken and time.monotonic() < self._retry_at) and self._commit(records, tree)
        with self._settled_lock:
            self._sizes.extend([record.size if is_kept else 0 for record in records])
        if not is_kept:
            self._skip(records)
            return
        self._mend()
        self._own(records)

    def _own(self, records: Sequence[SealedRecord]) -> None:
        waited = []
        for record in records:
            record.segment = self
            if record.receipt is not None and mark_durable(record.receipt):
                waited.append(record.receipt)
        with self._settled_lock:
            self._outstanding += len(records)
        if waited:
            notify(waited)

    def _skip(self, records: list[SealedRecord]) -> None:
        """Count records that are not in the segment as settled there, or its lowest position would never rise."""
        with self._settled_lock:
            self._settled.update(record.sequence for record in records if record.sequence is not None)

    def _untidy(self) -> bool:
        return self._broken_since is None and (self._outstanding > 0 or self._settled_below > self._noted_below)

    def _tidy(self) -> None:
        if self._settled_below != self._noted_below:
            self._commit((), None)

    def _commit(self, records: Sequence[SealedRecord], tree: TreeState | None) -> bool:
        below = self._settled_below
        try:
            self._segment.append(records, settled_below=below, tree=tree)
        except Exception as exc:  # noqa: BLE001 - whatever becomes of the disk, the events go on
            self._break(exc)
            return False
        self._noted_below = below
        return True

    def _break(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if self._broken_since is None:
            self._broken_since = time.monotonic()
            logger.error("events are not durable until they are delivered: %s", error)

    def _mend(self) -> None:
        if self._broken_since is not None:
            logger.warning("the spool takes events again, after %.0f s", time.monotonic() - self._broken_since)
            self._broken_since = None


def _sequence(record: SealedRecord) -> int:
    return -1 if record.sequence is None else record.sequence


def _runs(records: Sequence[SealedRecord]) -> Iterator[list[SealedRecord]]:
    """Yield records in runs without a gap: what a segment has in between must stay between them."""
    for _, run in groupby(enumerate(records), key=lambda numbered: _sequence(numbered[1]) - numbered[0]):
        yield [record for _, record in run]


def open_folder(folder: Path) -> None:
    """Make the spool folder with mode 0700.

    Raises:
        SpoolError: It cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        message = f"the spool folder {folder} cannot be written: {exc.strerror}; check its owner and mode"
        raise SpoolError(message) from exc

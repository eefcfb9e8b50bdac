"""Makes accepted events survive the process: group commit of sealed records to a file of their own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from telemetry.audit.receipt import DURABLE, notify
from telemetry.audit.record import SealedRecord
from telemetry.audit.segment import SpoolSegment
from telemetry.audit.stream import TreeState
from telemetry.exceptions import SpoolError

logger = logging.getLogger("telemetry.spool")

_TIDY_SECONDS = 0.5
_RETRY_SECONDS = 1.0
_JOIN_SECONDS = 10.0


class Spool:
    """The spool thread: many events, one synchronisation with the disk.

    Records reach the batcher after they are on disk. While the disk does not take them they go on undurable, with an
    error in the log, and their receipts become durable with the delivery.

    Args:
        segment: This process's file.
        lock: Shared with the intake; :meth:`add` is called under it.
        forward: Takes committed records, in order.
        tree: Returns the state of the producer's tree, under the lock.
    """

    def __init__(
        self,
        segment: SpoolSegment,
        *,
        lock: threading.Lock,
        forward: Callable[[list[SealedRecord]], None],
        tree: Callable[[], TreeState | None],
    ) -> None:
        self._segment = segment
        self._changed = threading.Condition(lock)
        self._forward = forward
        self._tree = tree
        self._incoming: list[SealedRecord] = []
        self._asleep = False
        self._closing = False
        self._settled_lock = threading.Lock()
        self._settled: set[int] = set()
        self._settled_below = 0
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
            below, settled = self._settled_below, self._settled
            settled.update(record.sequence for record in records if record.sequence is not None)
            while below in settled:
                settled.discard(below)
                below += 1
            self._settled_below = below

    def hold(self, record: SealedRecord) -> None:
        """Keep the segment until a record that is not in it, such as a checkpoint, is settled."""
        record.segment = self
        with self._settled_lock:
            self._outstanding += 1

    def close(self) -> int:
        """Commit what is there and end; delete the file if everything is settled, else return how many events stay."""
        self.stop()
        with self._settled_lock:
            left = self._outstanding
        if left == 0:
            self._segment.remove()
        else:
            self._segment.close()
        return left

    def stop(self) -> None:
        """Commit what is there, hand it on, and end the thread; the segment stays open for acknowledgements."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._incoming and not self._closing:
                    self._asleep = True
                    self._changed.wait(_TIDY_SECONDS if self._untidy() else None)
                    self._asleep = False
                records, self._incoming = self._incoming, []
                tree = self._tree()
                closing = self._closing
            if records:
                self._keep(records, tree)
                self._forward(records)
            elif closing:
                return
            else:
                self._tidy()

    def _keep(self, records: list[SealedRecord], tree: TreeState | None) -> None:
        if self._broken_since is not None and time.monotonic() < self._retry_at:
            self._skip(records)
            return
        below = self._settled_below
        try:
            self._segment.append(records, settled_below=below, tree=tree)
        except SpoolError as exc:
            self._break(exc)
            self._skip(records)
            return
        self._noted_below = below
        self._mend()
        waited = []
        for record in records:
            record.segment = self
            if record.receipt is not None and record.receipt.reach(DURABLE):
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
        below = self._settled_below
        if below == self._noted_below:
            return
        try:
            self._segment.note_settled(below)
        except SpoolError as exc:
            self._break(exc)
            return
        self._noted_below = below

    def _break(self, error: SpoolError) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        if self._broken_since is None:
            self._broken_since = time.monotonic()
            logger.error("events are not durable until they are delivered: %s", error)

    def _mend(self) -> None:
        if self._broken_since is not None:
            logger.warning("the spool takes events again, after %.0f s", time.monotonic() - self._broken_since)
            self._broken_since = None


def open_folder(folder: Path) -> None:
    """Make the spool folder with mode 0700.

    Raises:
        SpoolError: It cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".probe-{threading.get_ident()}"
        probe.touch(0o600)
        probe.unlink()
    except OSError as exc:
        message = f"the spool folder {folder} cannot be written: {exc.strerror}; check its owner and mode"
        raise SpoolError(message) from exc

"""Passes the records of an endless source on, and says when some time has passed without one."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator

from telemetry.reader.entry import SourceRecord
from telemetry.system.worker import Worker

TICK_SECONDS = 0.2

_MAX_AHEAD = 1_000
_STOP_SECONDS = 10.0

_Given = SourceRecord | BaseException | None


class TickingSource:
    """A source that another thread reads, so that its consumer can do something while no record comes.

    Args:
        source: The source; it is iterated in the thread ``telemetry-read``.
    """

    def __init__(self, source: Iterable[SourceRecord]) -> None:
        self._source = source
        # The thread puts what it reads; None is the end, an exception its reason.
        self._records: queue.Queue[_Given] = queue.Queue(_MAX_AHEAD)
        self._worker = Worker("telemetry-read", self._read)

    def __iter__(self) -> Iterator[SourceRecord | None]:
        """Yield the records, and None whenever none came for a while."""
        self._worker.start()
        try:
            while True:
                try:
                    given = self._records.get(timeout=TICK_SECONDS)
                except queue.Empty:
                    yield None
                    continue
                if given is None:
                    return
                if isinstance(given, BaseException):
                    raise given
                yield given
        finally:
            self.stop()

    def stop(self) -> None:
        """End the thread; the source must not be used by two threads at once."""
        stop = getattr(self._source, "stop", None)
        if stop is not None:
            stop()
        self._worker.stop(_STOP_SECONDS)

    def _read(self) -> None:
        try:
            for record in self._source:
                if not self._put(record):
                    return
        except BaseException as exc:  # noqa: BLE001 - raised again in the thread that reads the records
            self._put(exc)
        else:
            self._put(None)

    def _put(self, given: _Given) -> bool:
        """Hand a record on; return False if nobody wants it any more."""
        while not self._worker.is_stopping:
            try:
                self._records.put(given, timeout=TICK_SECONDS)
            except queue.Full:
                continue
            return True
        return False

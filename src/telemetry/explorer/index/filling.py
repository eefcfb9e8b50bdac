"""Fills the index in a thread of its own, and tries again when a source fails."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from telemetry.error_place import place_of
from telemetry.exceptions import ConfigurationError, TelemetryError
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.fill.batch import Batch
from telemetry.explorer.index.opening import TrailOpening
from telemetry.system.backoff import Backoff
from telemetry.system.worker import Worker
from telemetry.trail import Trail

logger = logging.getLogger("telemetry.explorer")

CLOSE_SECONDS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 120.0


class IndexFiller:
    """Reads the trail into an index, and goes on with what arrives; it is a context manager.

    Where a source fails, the index keeps what it has, says why it gets nothing new, and all is read again a while later.

    Args:
        index: The index.
        opening: What is read, and on whose behalf. With content, each time that it is opened is recorded in the trail.
        pauses: Seconds until it is tried again.
    """

    def __init__(self, index: EventIndex, opening: TrailOpening, *, pauses: Backoff | None = None) -> None:
        self._index = index
        self._opening = opening
        self._pauses = pauses or Backoff(first=_FIRST_PAUSE, longest=_LONGEST_PAUSE)
        self._worker = Worker("telemetry-index", self._run)
        # The trail that is read now: the thread sets it, close() stops it.
        self._lock = threading.Lock()
        self._trail: Trail | None = None

    def start(self) -> None:
        """Begin to read; called once."""
        self._worker.start()

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Stop reading; what is in the index stays.

        Args:
            timeout: Seconds to wait for the thread.

        Returns:
            Whether it has ended. It may take longer while the record of a read is on its way.
        """
        self._worker.ask_to_stop()
        with self._lock:
            if self._trail is not None:
                self._trail.stop()
        return self._worker.join(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        """Read until all was read, or something must be corrected, or the filler is closed."""
        while not self._worker.is_stopping:
            try:
                self._read()
            except ConfigurationError as exc:
                self._give_up(str(exc))
                return
            except TelemetryError as exc:
                pause = self._pauses.next()
                logger.warning("the index gets nothing new, and it is tried again in %.0f s: %s", pause, exc)
                self._index.progress.failed(str(exc), is_final=False)
                if self._worker.rest(pause):
                    return
            except Exception as exc:  # noqa: BLE001 - shown as the state of the index, and logged
                # Its message may have anything in it: the type and the place say enough.
                message = "the index gets nothing new: an error of the explorer itself, %s at %s"
                logger.error(message, type(exc).__name__, place_of(exc))  # noqa: TRY400
                self._give_up(
                    f"an error of the explorer itself ({type(exc).__name__}); the log of the process says more"
                )
                return
            else:
                return

    def _give_up(self, problem: str) -> None:
        logger.error("the index gets nothing new until this is corrected: %s", problem)
        self._index.progress.failed(problem, is_final=True)

    def _read(self) -> None:
        """Read all sources once, and follow the topic if that is wanted."""
        progress = self._index.progress
        progress.begin()
        watch = _Watch(self)
        with self._opening.opened(watch, progress) as trail:
            if not self._hold(trail):
                return
            # Only now: until the trail is open, the index shows what it had.
            self._index.begin_pass()
            progress.opened(with_content=not self._opening.sealed, is_from_middle=bool(self._opening.since))
            batch = Batch(self._index, trail)
            watch.begin(batch)
            try:
                for entry in filter(self._opening.takes, trail):
                    batch.add(entry)
                batch.pass_on()
                batch.judge()
            finally:
                self._release()
        if not self._worker.is_stopping:
            progress.filled(is_following=False)

    def reached_end(self) -> None:
        """Note that what the topic had at first was read."""
        self._pauses.reset()
        self._index.progress.filled(is_following=True)

    def _hold(self, trail: Trail) -> bool:
        """Keep the trail for :meth:`close`; return False if that was called before."""
        with self._lock:
            self._trail = trail
        return not self._worker.is_stopping

    def _release(self) -> None:
        with self._lock:
            self._trail = None


class _Watch:
    """Passes on what a source tells to the batch of the present pass.

    Args:
        filler: Learns when the end is reached.
    """

    def __init__(self, filler: IndexFiller) -> None:
        self._filler = filler
        self._batch: Batch | None = None

    def begin(self, batch: Batch) -> None:
        """Note the batch of the pass."""
        self._batch = batch

    def read(self) -> None:
        """Count a record."""
        if self._batch is not None:
            self._batch.read()

    def quiet(self) -> None:
        """Pass on what waits: it may be long until the next record."""
        if self._batch is not None:
            self._batch.pass_on()

    def reached_end(self) -> None:
        """Pass on what waits, and say that the index is filled."""
        self.quiet()
        self._filler.reached_end()

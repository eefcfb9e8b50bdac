"""Follows the events of an input until they are durable, in the order of their lines."""

from __future__ import annotations

import queue
import threading
from typing import Any, Protocol

from telemetry.exceptions import TelemetryError
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.stop_signals import StopSignals

_TICK_SECONDS = 0.5
_FLUSH_EVERY = 256


class LoggedEvent(Protocol):
    """The part of a receipt that is used here."""

    event_id: str
    producer: str | None
    sequence: int | None

    @property
    def is_durable(self) -> bool:
        """Whether the event is on disk, in Kafka or in the fallback store."""

    @property
    def delivery(self) -> Any:
        """Where it was delivered or stored; None before."""

    def wait_durable(self, timeout: float | None = None) -> None:
        """Wait until it is durable."""


class LineObserver:
    """Learns what became of each line; called in one thread, in the order of the input."""

    def durable(self, frame: Frame, receipt: LoggedEvent) -> None:
        """Learn that the line's event is durable."""

    def refused(self, frame: Frame) -> None:
        """Learn that the line is none that can be logged; it was reported."""

    def lost(self, frame: Frame, error: TelemetryError | None) -> None:
        """Learn that the line was not logged, or that its event failed; the error is None if that was reported."""

    def flush(self) -> None:
        """Say or write what was learnt so far: nothing more may come for a while."""


class InFlight:
    """Lines whose events are not durable yet, and the thread that waits for them.

    Memory is bounded by the queue of the pipeline: an event that waits there is not durable, and all others leave at once.

    Args:
        observers: Told what became of each line; flushed in this order.
        stop: Asked to end the reading when an observer fails.
    """

    def __init__(self, observers: list[LineObserver], stop: StopSignals) -> None:
        self._observers = observers
        self._stop = stop
        self._queue: queue.SimpleQueue[tuple[Frame, LoggedEvent | None, bool] | None] = queue.SimpleQueue()
        self._is_settled = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="telemetry-lines", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def logged(self, frame: Frame, receipt: LoggedEvent) -> None:
        """Follow the event of a line."""
        self._queue.put((frame, receipt, False))

    def refused(self, frame: Frame) -> None:
        """Pass a line that cannot be logged."""
        self._queue.put((frame, None, False))

    def not_logged(self, frame: Frame) -> None:
        """Pass a line that could be logged and was not."""
        self._queue.put((frame, None, True))

    def finish(self) -> None:
        """Wait for the last line; the pipeline has ended, so that no event is on its way any more.

        Raises:
            Exception: What an observer raised.
        """
        self._is_settled.set()
        self._queue.put(None)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        count = 0
        while (entry := self._next()) is not None:
            count += 1
            # After a failure the lines are taken out and nothing is said about them.
            if self._failure is None:
                self._guarded(entry, is_due=count % _FLUSH_EVERY == 0)
        self._flush()

    def _next(self) -> tuple[Frame, LoggedEvent | None, bool] | None:
        try:
            return self._queue.get_nowait()
        except queue.Empty:
            self._flush()
            return self._queue.get()

    def _guarded(self, entry: tuple[Frame, LoggedEvent | None, bool], *, is_due: bool) -> None:
        try:
            self._tell(*entry)
            if is_due:
                self._flush()
        except Exception as exc:  # noqa: BLE001 - raised in the main thread by finish()
            self._fail(exc)

    def _tell(self, frame: Frame, receipt: LoggedEvent | None, is_lost: bool) -> None:
        if receipt is not None:
            error = None if receipt.is_durable else self._error_of(receipt)
            for observer in self._observers:
                if error is None:
                    observer.durable(frame, receipt)
                else:
                    observer.lost(frame, error)
        elif is_lost:
            for observer in self._observers:
                observer.lost(frame, None)
        else:
            for observer in self._observers:
                observer.refused(frame)

    def _error_of(self, receipt: LoggedEvent) -> TelemetryError | None:
        """Wait until an event is durable; return why it is not, if it failed."""
        self._flush()
        while True:
            try:
                receipt.wait_durable(_TICK_SECONDS)
            except TimeoutError:
                if self._is_settled.is_set():
                    return TelemetryError("it is not known whether its event was kept")
            except TelemetryError as exc:
                return exc
            else:
                return None

    def _flush(self) -> None:
        if self._failure is not None:
            return
        try:
            for observer in self._observers:
                observer.flush()
        except Exception as exc:  # noqa: BLE001 - raised in the main thread by finish()
            self._fail(exc)

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._stop.ask()

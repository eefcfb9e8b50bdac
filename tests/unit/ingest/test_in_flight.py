from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from telemetry.exceptions import TelemetryError
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.in_flight import InFlight, LineObserver, LoggedEvent
from telemetry.ingest.stop_signals import StopSignals
from tests.support.until import until


@dataclass
class Event:
    """A receipt that a test makes durable or lets fail."""

    event_id: str = "id"
    producer: str | None = "producer"
    sequence: int | None = 0
    error: TelemetryError | None = None
    reached: threading.Event = field(default_factory=threading.Event)
    delivery: Any = None

    @property
    def is_durable(self) -> bool:
        return self.reached.is_set() and self.error is None

    def wait_durable(self, timeout: float | None = None) -> None:
        if not self.reached.wait(timeout):
            raise TimeoutError
        if self.error is not None:
            raise self.error


class Heard(LineObserver):
    """Remembers what it learnt, and what of it was flushed."""

    def __init__(self, *, fails_at: int = -1) -> None:
        self.all: list[str] = []
        self.flushed: list[str] = []
        self._fails_at = fails_at

    def durable(self, frame: Frame, receipt: LoggedEvent) -> None:
        assert receipt.is_durable
        if frame.line == self._fails_at:
            raise FileNotFoundError
        self.all.append(f"durable {frame.line}")

    def refused(self, frame: Frame) -> None:
        self.all.append(f"refused {frame.line}")

    def lost(self, frame: Frame, error: TelemetryError | None) -> None:
        self.all.append(f"lost {frame.line} {error}")

    def flush(self) -> None:
        self.flushed = list(self.all)


def test_lines_are_told_in_their_order() -> None:
    heard, events = Heard(), [Event() for _ in range(3)]
    lines = InFlight([heard], StopSignals())
    lines.start()
    lines.logged(Frame(b"", 1), events[0])
    lines.refused(Frame(b"", 2))
    lines.logged(Frame(b"", 3), events[1])
    lines.not_logged(Frame(b"", 4))
    lines.logged(Frame(b"", 5), events[2])

    events[2].reached.set()
    events[1].error = TelemetryError("failed")
    events[1].reached.set()
    assert heard.all == []
    events[0].reached.set()
    lines.finish()

    assert heard.flushed == ["durable 1", "refused 2", "lost 3 failed", "lost 4 None", "durable 5"]


def test_what_is_durable_is_flushed_before_a_wait() -> None:
    heard, first, second = Heard(), Event(), Event()
    first.reached.set()
    lines = InFlight([heard], StopSignals())
    lines.start()
    lines.logged(Frame(b"", 1), first)
    lines.logged(Frame(b"", 2), second)

    until(lambda: heard.flushed == ["durable 1"])

    second.reached.set()
    lines.finish()


def test_event_of_unknown_fate_is_lost() -> None:
    heard = Heard()
    lines = InFlight([heard], StopSignals())
    lines.start()
    lines.logged(Frame(b"", 1), Event())
    lines.finish()

    assert heard.all == ["lost 1 it is not known whether its event was kept"]


def test_observer_that_fails_ends_the_reading() -> None:
    heard, stop = Heard(fails_at=2), StopSignals()
    lines = InFlight([heard], stop)
    lines.start()
    for number in range(1, 5):
        event = Event()
        event.reached.set()
        lines.logged(Frame(b"", number), event)

    until(lambda: stop.is_asked)
    with pytest.raises(FileNotFoundError):
        lines.finish()
    assert heard.all == ["durable 1"]

"""A forwarder waits for its turn, opens the trail again after an outage, and ends with what waiting cannot help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyUnreachableError,
    ReadNotRecordedError,
    TargetAwayError,
    TelemetryError,
    TransportAuthorizationError,
    TransportError,
)
from telemetry.forward import forwarder as module
from telemetry.forward.counts import ForwardCounts, State
from telemetry.forward.forwarder import Forwarder, SessionGuard
from telemetry.forward.turn import Alone
from telemetry.ingest.stop_signals import StopSignals
from telemetry.reader import Entry
from tests.support.parcels import entry
from tests.unit.forward.test_session import Run, Trail


class Openings:
    """Opens trails one after the other; an error is raised in place of a trail."""

    def __init__(self, *steps: TelemetryError | list[Entry], last: Callable[[], None] = lambda: None) -> None:
        self._steps = iter(steps)
        self._last = last
        self.opened = 0

    @contextmanager
    def open(self) -> Iterator[Trail]:
        step = next(self._steps, None)
        if isinstance(step, TelemetryError):
            raise step
        self.opened += 1
        if step is None:
            self._last()
        yield Trail(step or [])


class Turn(Alone):
    """Leads after it was asked some times."""

    def __init__(self, after: int) -> None:
        self._after = after
        self.released = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def wait_to_lead(self, seconds: float) -> bool:  # noqa: ARG002
        self._after -= 1
        return self._after < 0

    def release(self) -> None:
        self.released += 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT", 0.001)
    monkeypatch.setattr(module, "_TURN_SECONDS", 0.0)


def run(
    folder: Path, openings: Openings, stop: StopSignals, *, once: bool = False, turn: Turn | None = None
) -> ForwardCounts:
    parts = Run(folder, [])
    patience = 0.0 if once else None
    forwarder = Forwarder(
        parts.forwarding, openings, turn or Alone(), stop, timeout=0.2, patience=patience, away=patience and 0.2
    )
    return forwarder.run()


@pytest.mark.parametrize(
    "error",
    [TransportError("Kafka"), KeyUnreachableError("KMS"), KeyAccessDeniedError("right"), ReadNotRecordedError("read")],
    ids=lambda error: type(error).__name__,
)
def test_outage_is_waited_for(tmp_path: Path, error: TelemetryError) -> None:
    with StopSignals() as stop:
        openings = Openings([entry(0)], error, [entry(1)], last=stop.ask)
        counts = run(tmp_path, openings, stop)

    assert (counts.forwarded, counts.retries, counts.state, openings.opened) == (2, 1, State.ENDED, 3)


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ([TransportError("Kafka")], TransportError),
        ([[entry(0)], TransportAuthorizationError("ACL")], TransportAuthorizationError),
        ([[entry(0)], ConfigurationError("key")], ConfigurationError),
    ],
    ids=["first", "rights", "configuration"],
)
def test_what_waiting_cannot_help_ends_it(
    tmp_path: Path, steps: list[TelemetryError | list[Entry]], kind: type[TelemetryError]
) -> None:
    with StopSignals() as stop, pytest.raises(kind):
        run(tmp_path, Openings(*steps), stop)


def test_once_ends_at_the_end(tmp_path: Path) -> None:
    turn = Turn(after=0)
    with StopSignals() as stop:
        counts = run(tmp_path, Openings([entry(0), entry(1)]), stop, once=True, turn=turn)

    assert (counts.forwarded, counts.state, turn.released) == (2, State.ENDED, 1)


def test_once_does_not_wait_for_another(tmp_path: Path) -> None:
    with StopSignals() as stop, pytest.raises(TransportError, match="another forwarder"):
        run(tmp_path, Openings(), stop, once=True, turn=Turn(after=1_000))


def test_waiting_for_its_turn(tmp_path: Path) -> None:
    with StopSignals() as stop:
        counts = run(tmp_path, Openings([entry(0)], last=stop.ask), stop, turn=Turn(after=3))
    assert counts.forwarded == 1


def test_guard_gives_a_target_its_time(tmp_path: Path) -> None:
    parts = Run(tmp_path, [])
    with StopSignals() as stop:
        guard = SessionGuard(stop, Alone(), parts.tally, timeout=0.05, away=None)
        assert not guard.pause(0.01)
        assert not guard.is_ending
        stop.ask()
        assert guard.is_ending
        waits = [guard.pause(0.02) for _ in range(10)]
        assert waits[0] is False
        assert waits[-1] is True


def test_target_that_is_away_at_the_end(tmp_path: Path) -> None:
    parts = Run(tmp_path, [])

    def answer(_ids: list[str]) -> None:
        message = "away"
        raise TargetAwayError(message)

    parts.target.answer = answer
    with StopSignals() as stop:
        forwarder = Forwarder(
            parts.forwarding, Openings([entry(0)]), Alone(), stop, timeout=0.1, patience=0.0, away=0.1
        )
        counts = forwarder.run()

    assert (counts.state, counts.forwarded) == (State.AWAY, 0)

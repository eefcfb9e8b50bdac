"""Counts and closes all intakes of a pipeline: that of the process's own stream, and those of other services."""

from __future__ import annotations

from typing import Protocol

from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.exceptions import TelemetryError


class OtherIntakes(Protocol):
    """The intakes of the streams that a process carries for other services."""

    def __len__(self) -> int:
        """How many streams are open."""

    @property
    def fullest_share(self) -> float:
        """How much of its share of the queue the stream uses that uses most of it, from 0 to 1."""

    @property
    def accepted(self) -> int:
        """How many events were accepted, also of streams that have ended."""

    @property
    def waiting(self) -> int:
        """How many events wait for room or for a key."""

    @property
    def is_key_withheld(self) -> bool:
        """Whether the key service gives one of them no new data key."""

    def close(self, error: TelemetryError) -> None:
        """Refuse every further call with ``error``, and open no further stream."""

    def refuse_waiting(self) -> None:
        """Refuse the events that still wait after :meth:`close`."""


class Intakes:
    """All intakes of a pipeline.

    Args:
        own: That of the process's own stream.
        timer: Refuses events that waited too long, in all of them.
        others: Those of other services; None where there are none.
    """

    def __init__(self, own: Intake, *, timer: WaitingTimer, others: OtherIntakes | None = None) -> None:
        self._own = own
        self._timer = timer
        self._others = others

    @property
    def accepted(self) -> int:
        """How many events were accepted: as many as have a number."""
        return self._own.accepted + (self._others.accepted if self._others is not None else 0)

    @property
    def waiting(self) -> int:
        """How many events wait for room or for a key."""
        return self._own.waiting + (self._others.waiting if self._others is not None else 0)

    @property
    def is_key_withheld(self) -> bool:
        """Whether the key service gives a stream of another service no new data key."""
        return self._others is not None and self._others.is_key_withheld

    def sharing(self) -> tuple[int, float] | None:
        """Return how many streams of other services are open, and the fill of the fullest share; None where none can be."""
        return None if self._others is None else (len(self._others), self._others.fullest_share)

    def close(self, error: TelemetryError) -> None:
        """Refuse every further call with ``error``; the events that wait may still be accepted."""
        self._own.close(error)
        if self._others is not None:
            self._others.close(error)

    def refuse_waiting(self) -> None:
        """Refuse the events that still wait after :meth:`close`, and end the timer."""
        self._own.refuse_waiting()
        if self._others is not None:
            self._others.refuse_waiting()
        self._timer.stop()

"""Repeats the rounds of a witness until it is asked to stop, or has to refuse."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from typing import Protocol

from telemetry.exceptions import TelemetryError
from telemetry.witness.witness import Round

logger = logging.getLogger("telemetry.witness")


class Looks(Protocol):
    """Looks at a topic."""

    def look(self, *, now: datetime) -> Round:
        """Read what is new, and publish it."""


class RoundListener(Protocol):
    """Learns what each round did."""

    def done(self, result: Round) -> None:
        """Called after each round that ended well."""


class Rounds:
    """The rounds of a witness, one after the other in the thread that calls :meth:`run`.

    Args:
        witness: The witness.
        seconds: Pause between two rounds.
        listener: Learns what each round did.
    """

    def __init__(self, witness: Looks, *, seconds: float, listener: RoundListener) -> None:
        self._witness = witness
        self._seconds = seconds
        self._listener = listener
        # A signal handler or another thread sets it.
        self._stopping = threading.Event()

    def run(self) -> None:
        """Look again and again, until :meth:`stop`.

        A topic or a store that does not answer is logged, and asked again in the next round.

        Raises:
            TelemetryError: Another attempt would end the same way; for instance, a stream is not what it was.
        """
        while not self._stopping.is_set():
            try:
                self._listener.done(self._witness.look(now=datetime.now(UTC)))
            except TelemetryError as exc:
                if not exc.retriable:
                    raise
                logger.warning("the witness looks again in %g s, because this round failed: %s", self._seconds, exc)
            self._stopping.wait(self._seconds)

    def stop(self) -> None:
        """End after the present round."""
        self._stopping.set()

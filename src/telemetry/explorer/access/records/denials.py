"""Records refusals: of rights, and of attempts to sign in; counted, so that they fill no trail."""

from __future__ import annotations

import logging
import time
from typing import Final, NamedTuple

from telemetry.exceptions import TelemetryError
from telemetry.explorer.access.records.reader_stream import ReaderStream
from telemetry.system.clock import Clock

logger = logging.getLogger("telemetry.explorer")

DENIED: Final = "telemetry.explorer.denied"
"""Type of an event about refusals."""

_MAX_KINDS = 1_000
_PER_MINUTE = 60
_PERIOD_SECONDS = 60.0
_NOBODY = "anonymous"


class Denial(NamedTuple):
    """What is alike in refusals that are counted together.

    Attributes:
        reason: A word of the code.
        subject: Who was refused; empty for a visitor who is not known.
        session_id: Public name of the session; empty without one.
        address: IP address; empty on a unix socket.
    """

    reason: str
    subject: str
    session_id: str
    address: str


class Denials:
    """Counts refusals and writes them.

    The first of its kind is written at once; those that follow within a minute are one event with their count. What is beyond
    the bound of events in a minute is counted in ``left_out`` of the next one.

    Args:
        stream: Where events go; None where nothing is recorded.
        clock: Monotonic seconds.
    """

    def __init__(self, stream: ReaderStream | None, *, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._counts: dict[Denial, int] = {}
        self._left_out = 0
        self._written = 0
        self._minute = clock()

    def add(self, denial: Denial) -> None:
        """Count a refusal; it never raises, and never waits."""
        if denial in self._counts:
            self._counts[denial] += 1
        elif len(self._counts) >= _MAX_KINDS:
            self._left_out += 1
        else:
            self._counts[denial] = 0
            self._write(denial, 1)

    def tick(self) -> None:
        """Do what is due: write the counts of the last minute."""
        if self._clock() - self._minute >= _PERIOD_SECONDS:
            self._minute = self._clock()
            self._written = 0
            self.flush()

    def flush(self) -> None:
        """Write all counts: the minute or the explorer ends."""
        counts, self._counts = self._counts, {}
        for denial, count in sorted(counts.items(), key=lambda item: -item[1]):
            if count:
                self._write(denial, count)

    def _write(self, denial: Denial, count: int) -> None:
        if self._stream is None:
            return
        if self._written >= _PER_MINUTE:
            self._left_out += count
            return
        self._written += 1
        try:
            self._stream.offer(
                DENIED,
                {"reason": denial.reason, "count": count, "left_out": self._left_out},
                denial.subject or _NOBODY,
                actor_type=None if denial.subject else "anonymous",
                session_id=denial.session_id or None,
                ip_address=denial.address or None,
                entity="audit_trail",
                outcome="denied",
            )
        except TelemetryError as exc:
            self._left_out += count
            logger.warning("a refusal could not be recorded (%s): %s", denial.reason, exc)
        else:
            self._left_out = 0

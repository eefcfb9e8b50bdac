"""Records denied and malformed calls in the gateway's own stream, without letting them fill it."""

from __future__ import annotations

import logging
import time
from typing import NamedTuple

from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.audit.service import AuditService
from telemetry.exceptions import TelemetryError
from telemetry.system.clock import Clock

logger = logging.getLogger("telemetry.gateway")

DENIED = OwnEventType("telemetry.gateway_denied")
"""Type of an event about callers that were not recognized."""
MALFORMED = OwnEventType("telemetry.gateway_malformed")
"""Type of an event about callers that are known and whose requests were not taken."""

_MAX_KEYS = 1_000
_PERIOD_SECONDS = 60.0
_UNKNOWN = "unknown"


class RefusedCall(NamedTuple):
    """What is alike in calls that are counted together.

    Attributes:
        event_type: :data:`DENIED` or :data:`MALFORMED`.
        who: Name of the certificate, id of the token, or ``unknown``; never a secret.
        service: Service of the caller; empty if it was not recognized.
        address: IP address of the client; empty on a unix socket.
        reason: A word from the code.
    """

    event_type: OwnEventType
    who: str
    service: str
    address: str
    reason: str


class RefusedCalls:
    """Counts refused calls, and logs them.

    The first of its kind is logged at once, with the count 1. Those that follow within a minute are one event, with their
    count. So a flood from one place costs an event a minute; one from many places is cut by ``per_minute``, and what was cut
    is counted in ``left_out`` of the next event.

    Args:
        service: Logs under the gateway's own name.
        per_minute: Bound of the events in a minute.
        clock: Monotonic seconds.
    """

    def __init__(self, service: AuditService, *, per_minute: int, clock: Clock = time.monotonic) -> None:
        self._service = service
        self._per_minute = per_minute
        self._clock = clock
        self._counts: dict[RefusedCall, int] = {}
        self._left_out = 0
        self._minute = self._clock()
        self._logged = 0

    def add(self, call: RefusedCall) -> None:
        """Count a call; it never raises, and never waits."""
        if call in self._counts:
            self._counts[call] += 1
        elif len(self._counts) >= _MAX_KEYS:
            self._left_out += 1
        else:
            self._counts[call] = 0
            self._log(call, 1)

    def tick(self) -> None:
        """Do what is due: log the counts of the last minute."""
        if self._clock() - self._minute < _PERIOD_SECONDS:
            return
        self._minute = self._clock()
        self._logged = 0
        self.flush()

    def flush(self) -> None:
        """Log all counts: the minute or the gateway ends."""
        counts, self._counts = self._counts, {}
        for call, count in sorted(counts.items(), key=lambda item: -item[1]):
            if count:
                self._log(call, count)

    def end(self) -> None:
        """Log all counts; what the bound of the last minute does not admit is said in the log at least."""
        self.flush()
        if self._left_out:
            logger.warning(
                "%d refused calls are in no event: more came in the last minute than may be logged", self._left_out
            )

    def _log(self, call: RefusedCall, count: int) -> None:
        if self._logged >= self._per_minute:
            self._left_out += count
            return
        self._logged += 1
        payload = {"reason": call.reason, "count": count, "left_out": self._left_out}
        try:
            self._service.log(
                call.event_type,
                payload | ({"service": call.service} if call.service else {}),
                call.who or _UNKNOWN,
                ip_address=call.address or None,
                outcome="denied" if call.event_type is DENIED else "failure",
                unfit="repr",
                wait_for="offered",
            )
        except TelemetryError as exc:
            self._left_out += count
            logger.error("a refused call could not be logged: %s", exc)  # noqa: TRY400 - the message says it
        else:
            self._left_out = 0

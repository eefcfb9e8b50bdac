"""Logs lost events: the first at once, those after it once a minute with their number."""

from __future__ import annotations

import logging
import threading
import time

from telemetry.exceptions import TelemetryError
from telemetry.system.clock import Clock

logger = logging.getLogger("telemetry.audit")

_EVERY_SECONDS = 60.0


class LossLog:
    """Tells operators of events that failed while nobody waited on their receipts.

    Args:
        clock: Tells the time.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next = clock()
        self._untold = 0

    def lost(self, error: TelemetryError, *, events: int) -> None:
        """Log the loss, or keep its number for the next line."""
        with self._lock:
            self._untold += events
            if self._clock() < self._next:
                return
            count, self._untold = self._untold, 0
            self._next = self._clock() + _EVERY_SECONDS
        logger.error(
            "%d audit events were lost, and no caller waited for them (%s); await the receipts of log() to handle it, and "
            "watch audit.events.lost_total",
            count,
            type(error).__name__,
        )

    def close(self) -> None:
        """Log what was not logged yet."""
        with self._lock:
            count, self._untold = self._untold, 0
        if count:
            logger.error("%d more audit events were lost before the end, and no caller waited for them", count)

"""Counts and logs the records that were refused, because exporters do not pass on what they are told about them."""

from __future__ import annotations

import logging
import time

from opentelemetry import metrics

from telemetry.version import __version__

logger = logging.getLogger("telemetry.gateway")

_EVERY_SECONDS = 60.0


class RefusedRecords:
    """Counts refused records in ``audit.gateway.refused_records_total``, and logs their number once a minute.

    It is used in one event loop.
    """

    def __init__(self) -> None:
        self._untold = 0
        self._next: float | None = None
        self._counter = metrics.get_meter("telemetry", __version__).create_counter(
            "audit.gateway.refused_records_total",
            unit="{record}",
            description="Log records of OTLP that were refused for good; their exporters have dropped them",
        )
        for reason in ("no_event_name", "malformed"):
            self._counter.add(0, {"reason": reason})

    def add(self, service: str, *, nameless: int, malformed: int, example: str) -> None:
        """Count the refused records of a request.

        Args:
            service: Whose they are.
            nameless: Records without an event name.
            malformed: Records that cannot be events.
            example: Why one of them was refused; no content of it.
        """
        for reason, count in (("no_event_name", nameless), ("malformed", malformed)):
            if count:
                self._counter.add(count, {"reason": reason})
        self._untold += nameless + malformed
        now = time.monotonic()
        if not self._untold or (self._next is not None and now < self._next):
            return
        untold, self._untold, self._next = self._untold, 0, now + _EVERY_SECONDS
        logger.warning(
            "%d log records of OTLP are no events and were refused, the last ones of service %s: %s; its exporter has dropped "
            "them. Give each audit event a name, or set gateway_config.otlp.without_event_name to ignore the others",
            untold,
            service,
            example,
        )

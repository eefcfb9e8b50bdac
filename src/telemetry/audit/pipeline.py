"""Runs the write side of one process: accepts events, answers how it is, and ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol

from telemetry.audit.accept.draft import EventFactory
from telemetry.audit.accept.intake import Intake, Ticket
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics import Gauges
from telemetry.audit.receipt import Receipt
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.shutdown import Shutdown
from telemetry.config import AuditConfig
from telemetry.exceptions import BackpressureError, EncryptionError, TelemetryError


class MissingKeys(Protocol):
    """Knows why there is no data key."""

    def missing(self) -> EncryptionError:
        """Return the error for a call that timed out waiting for a data key."""


class AuditPipeline:
    """The running parts of one process; ``audit.assembly.assemble`` builds them.

    Args:
        config: The configuration.
        factory: Checks the arguments of ``log()`` and writes the event.
        intake: Accepts the event.
        ledger: Counts it.
        dispatcher: Sends it.
        keys: The data keys; None where events are not encrypted.
        gauges: The gauges, which the metrics read for as long as the pipeline lives.
        ending: Ends all of it.

    Attributes:
        pid: The process that this pipeline belongs to.
        default_wait: What ``log()`` waits for.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        factory: EventFactory,
        intake: Intake,
        ledger: Ledger,
        dispatcher: Dispatcher,
        keys: MissingKeys | None,
        gauges: Gauges,
        ending: Shutdown,
    ) -> None:
        self.pid = os.getpid()
        self.default_wait = config.wait_for
        self._config = config
        self._factory = factory
        self._intake = intake
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._keys = keys
        self._gauges = gauges
        self._ending = ending

    def offer(self, event_type: str, payload: Any, user_id: str, fields: Mapping[str, Any]) -> Receipt | Ticket:
        """Check, seal and accept an event, or return the ticket with which it waits."""
        try:
            return self._intake.offer(self._factory.draft(event_type, payload, user_id, fields))
        except TelemetryError as exc:
            self._ledger.refused(exc)
            raise

    def patience(self, ticket: Ticket) -> float:
        """Return how many seconds a ticket may wait."""
        wait = self._config.data_key_wait_ms if ticket.waits_for_key else self._config.queue_full_timeout_ms
        return wait / 1_000

    def withdraw(self, ticket: Ticket) -> bool:
        """Withdraw a ticket; return False when its event was accepted or refused meanwhile."""
        return self._intake.withdraw(ticket)

    def gave_up(self, ticket: Ticket) -> TelemetryError:
        """Count a call that waited too long, and return its error."""
        error: TelemetryError
        if ticket.waits_for_key and self._keys is not None:
            error = self._keys.missing()
        else:
            error = BackpressureError(
                f"the queue stayed full for {self._config.queue_full_timeout_ms} ms; the event was not logged; "
                "Kafka and the fallback do not keep up"
            )
        self._ledger.refused(error)
        return error

    def stats(self) -> AuditStats:
        """Return a snapshot of the counts."""
        counts = self._ledger.counts
        # Read before the number of accepted events: an event is accepted before it is settled, so none is missing.
        delivered, stored, failed = counts.delivered, counts.stored, counts.failed
        logged = self._intake.accepted
        return AuditStats(
            logged=logged,
            delivered=delivered,
            stored=stored,
            failed=failed,
            queued=logged - delivered - stored - failed,
            refused=counts.refused,
            replayed=counts.replayed,
            rejected=counts.rejected,
            recovered=counts.recovered,
            unmarked=counts.unmarked,
            send_errors=counts.send_errors,
            diverted=self._dispatcher.is_diverted,
        )

    def gauges(self) -> dict[str, float]:
        """Return what can be read at any moment, by metric name."""
        return self._gauges.gauges()

    def shutdown(self, timeout: float) -> ShutdownReport:
        """Drain to Kafka, then to the fallback, then to the spool, and end.

        Args:
            timeout: Seconds for all of it.

        Returns:
            What was delivered, stored and left; the same report when called again.

        Raises:
            UndeliveredError: Accepted events could be kept nowhere.
        """
        return self._ending.run(timeout)

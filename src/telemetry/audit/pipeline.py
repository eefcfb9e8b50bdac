"""Runs the write side of one process: accepts events, answers how it is, and ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from telemetry.audit.accept.draft.adjuster import Unfit
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.event_pipeline import NO_SHARED_STREAMS, EventPipeline
from telemetry.audit.accept.outbox.outbox import Outbox
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.health import Health, StreamHealth
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.live_gauges import Gauges
from telemetry.audit.opening.streaming import Accepting
from telemetry.audit.receipt import ACCEPTED, LEVELS, Receipt
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.shutdown import Shutdown
from telemetry.audit.watch.examination import Examination
from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError, TelemetryError


class AuditPipeline:
    """The running parts of one process; ``audit.assembly.assemble`` builds them.

    Args:
        config: The configuration.
        factory: Checks the arguments of ``log()`` and writes the event.
        outbox: Seals events for an outbox, and reads its rows.
        accepting: Accepts the event.
        ledger: Counts it.
        dispatcher: Sends it.
        gauges: The gauges, which the metrics read for as long as the pipeline lives.
        examination: Answers how all of it is.
        ending: Ends all of it.

    Attributes:
        pid: The process that this pipeline belongs to.
        default_level: What awaiting a receipt waits for, unless the call says otherwise.
    """

    def __init__(
        self,
        config: AuditConfig,
        *,
        factory: EventFactory,
        outbox: Outbox,
        accepting: Accepting,
        ledger: Ledger,
        dispatcher: Dispatcher,
        gauges: Gauges,
        examination: Examination,
        ending: Shutdown,
    ) -> None:
        self.pid = os.getpid()
        self.default_level = LEVELS[config.wait_for]
        self._factory = factory
        self._outbox = outbox
        self._intake, self._intakes, _, self._others = accepting
        self._ledger = ledger
        self._dispatcher = dispatcher
        self._gauges = gauges
        self._examination = examination
        self._ending = ending

    def offer(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit = "refuse",
        level: int = ACCEPTED,
    ) -> Receipt:
        """Check, seal and accept an event, or have it wait; arguments and errors as :meth:`AuditService.log`."""
        try:
            return self._intake.offer(self._factory.draft(event_type, payload, user_id, fields, unfit), level)
        except TelemetryError as exc:
            self._ledger.refused(exc)
            raise

    def seal(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit = "refuse",
        *,
        may_block: bool,
    ) -> SealedEvent:
        """Check and seal an event for an outbox; arguments and errors as :meth:`AuditService.seal`."""
        draft = self._factory.draft(event_type, payload, user_id, fields, unfit)
        return self._outbox.sealer.seal(draft, may_block=may_block)

    def request_row_key(self, user_id: Any = None) -> Future[None]:
        """Request the keys for :meth:`seal`; the future ends when they are there, or with the reason why not."""
        return self._outbox.sealer.request_key(self._factory.subject_of(user_id))

    def relay(self, data: bytes, level: int = ACCEPTED) -> Receipt:
        """Accept what :meth:`seal` returned, or have it wait; arguments and errors as :meth:`AuditService.relay`."""
        try:
            return self._intake.offer(self._outbox.reader.read(data), level)
        except TelemetryError as exc:
            self._ledger.refused(exc)
            raise

    def on_behalf_of(self, service_name: str) -> EventPipeline:
        """Return the pipeline that logs for another service; errors as :meth:`AuditService.on_behalf_of`."""
        if self._others is None:
            raise ConfigurationError(NO_SHARED_STREAMS)
        return self._others.pipeline_of(service_name, self)

    def forgo(self, error: TelemetryError) -> None:
        """Count an event that could not be logged, and whose call goes on all the same."""
        self._ledger.lost(error, events=1)

    def stats(self) -> AuditStats:
        """Return a snapshot of the counts."""
        counts = self._ledger.counts
        # Read before the number of accepted events: an event is accepted before it is settled, so none is missing.
        delivered, stored, failed = counts.delivered, counts.stored, counts.failed
        logged = self._intakes.accepted
        return AuditStats(
            logged=logged,
            delivered=delivered,
            stored=stored,
            failed=failed,
            queued=logged - delivered - stored - failed,
            refused=counts.refused,
            lost=counts.lost,
            waiting=self._intakes.waiting,
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

    def health(self, *, is_ending: bool) -> Health:
        """Return how the pipeline is, and whether it accepts events safely.

        Args:
            is_ending: Whether ``shutdown()`` was called.
        """
        return self._examination.health(is_ending=is_ending, has_ended=self._ending.is_over)

    def stream_health(self) -> list[StreamHealth]:
        """Return how the open streams of other services are; none where the process carries none."""
        return self._others.health() if self._others is not None else []

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

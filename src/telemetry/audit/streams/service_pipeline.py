"""Offers the pipeline of a process to one of the services whose streams it carries."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, NoReturn

from telemetry.audit.accept.draft.adjuster import Unfit
from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.health import Health, StreamHealth
from telemetry.audit.ledger import Ledger
from telemetry.audit.receipt import ACCEPTED, Receipt
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.audit.streams.stream_registry import StreamEndedError, StreamRegistry
from telemetry.exceptions import EventError, TelemetryError

_NO_ROWS = "rows of an outbox are sealed and relayed under the process's own name; log() the event instead"


class ServicePipeline:
    """Accepts the events of one service; everything else is asked of the process.

    Args:
        whole: The pipeline of the process.
        registry: Has the streams.
        ledger: Counts what is refused.
        service_name: The service.

    Attributes:
        pid: The process that this pipeline belongs to.
        default_level: What awaiting a receipt waits for, unless the call says otherwise.
    """

    def __init__(self, whole: EventPipeline, registry: StreamRegistry, *, ledger: Ledger, service_name: str) -> None:
        self.pid = whole.pid
        self.default_level = whole.default_level
        self._whole = whole
        self._registry = registry
        self._ledger = ledger
        self._service_name = service_name

    def offer(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit = "refuse",
        level: int = ACCEPTED,
    ) -> Receipt:
        """Check, seal and accept an event in the stream of the service; arguments and errors as :meth:`AuditService.log`."""
        try:
            stream = self._registry.of(self._service_name)
            draft = stream.factory.draft(event_type, payload, user_id, fields, unfit)
            while True:
                try:
                    return stream.intake.offer(draft, level)
                except StreamEndedError:
                    # It was idle, and ended after it was found.
                    stream = self._registry.after(stream)
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
        """Raise an ``EventError``."""
        del event_type, payload, user_id, fields, unfit, may_block
        _refuse_rows()

    def request_row_key(self, user_id: Any = None) -> Future[None]:
        """Raise an ``EventError``."""
        del user_id
        _refuse_rows()

    def relay(self, data: bytes, level: int = ACCEPTED) -> Receipt:
        """Raise an ``EventError``."""
        del data, level
        _refuse_rows()

    def forgo(self, error: TelemetryError) -> None:
        """Count an event that could not be logged, and whose call goes on all the same."""
        self._whole.forgo(error)

    def on_behalf_of(self, service_name: str) -> EventPipeline:
        """Return the pipeline of another service."""
        return self._whole.on_behalf_of(service_name)

    def stats(self) -> AuditStats:
        """Return a snapshot of the counts of the process."""
        return self._whole.stats()

    def gauges(self) -> dict[str, float]:
        """Return the gauges of the process."""
        return self._whole.gauges()

    def health(self, *, is_ending: bool) -> Health:
        """Return how the process is."""
        return self._whole.health(is_ending=is_ending)

    def stream_health(self) -> list[StreamHealth]:
        """Return how the open streams of the process are."""
        return self._whole.stream_health()

    def shutdown(self, timeout: float) -> ShutdownReport:
        """End the pipeline of the process."""
        return self._whole.shutdown(timeout)


def _refuse_rows() -> NoReturn:
    raise EventError(_NO_ROWS)

"""Defines what ``log()`` needs of the pipeline of a process, whether it sends the events or keeps them here."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from telemetry.audit.accept.draft.adjuster import Unfit
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.health import Health, StreamHealth
from telemetry.audit.receipt import ACCEPTED, Receipt
from telemetry.audit.reports import AuditStats, ShutdownReport
from telemetry.exceptions import Problem, TelemetryError

NO_SHARED_STREAMS = Problem(
    "audit_config.shared_streams",
    "is not configured, so this process logs under its own name alone",
    "add the section to log on behalf of other services",
)


class EventPipeline(Protocol):
    """Accepts the events of one process.

    Attributes:
        pid: The process that this pipeline belongs to.
        default_level: What awaiting a receipt waits for, unless the call says otherwise.
    """

    pid: int
    default_level: int

    def offer(
        self,
        event_type: str,
        payload: Any,
        user_id: Any,
        fields: Mapping[str, Any],
        unfit: Unfit = "refuse",
        level: int = ACCEPTED,
    ) -> Receipt:
        """Check and accept an event, or have it wait; arguments and errors as :meth:`AuditService.log`."""

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
        """Check an event and seal it for an outbox; arguments and errors as :meth:`AuditService.seal`."""

    def request_row_key(self, user_id: Any = None) -> Future[None]:
        """Request the keys for :meth:`seal`; the future ends when they are there, or with the reason why not.

        Args:
            user_id: The subject of the event, where subjects have keys; None for the data key alone.
        """

    def relay(self, data: bytes, level: int = ACCEPTED) -> Receipt:
        """Accept what :meth:`seal` returned, or have it wait; arguments and errors as :meth:`AuditService.relay`."""

    def on_behalf_of(self, service_name: str) -> EventPipeline:
        """Return the pipeline that logs for another service; it opens nothing yet.

        Raises:
            ConfigurationError: ``shared_streams`` is not configured.
            BackpressureError: As many streams are open as may.
            LifecycleError: The pipeline is shut down.
        """

    def forgo(self, error: TelemetryError) -> None:
        """Count an event that could not be logged, and whose call goes on all the same."""

    def stats(self) -> AuditStats:
        """Return a snapshot of the counts."""

    def gauges(self) -> dict[str, float]:
        """Return what can be read at any moment, by metric name."""

    def health(self, *, is_ending: bool) -> Health:
        """Return how it is, and whether it accepts events safely; ``is_ending`` after ``shutdown()`` was called."""

    def stream_health(self) -> list[StreamHealth]:
        """Return how the open streams of other services are."""

    def shutdown(self, timeout: float) -> ShutdownReport:
        """Deliver or keep what was accepted within ``timeout`` seconds, and end."""

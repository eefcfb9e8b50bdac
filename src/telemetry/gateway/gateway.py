"""Gives the routes what they share: the streams of the callers, the bounds, and a place to report refusals."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.config.gateway.otlp import OtlpConfig
from telemetry.exceptions import LifecycleError
from telemetry.gateway.body_room import BodyRoom
from telemetry.gateway.identities.quotas import Quotas
from telemetry.gateway.metrics import GatewayMetrics
from telemetry.gateway.places import Places
from telemetry.gateway.refused_calls import DENIED, MALFORMED, RefusedCall
from telemetry.gateway.refused_records import RefusedRecords

if TYPE_CHECKING:
    from starlette.requests import Request

    from telemetry.audit.health import Health, StreamHealth
    from telemetry.audit.service import AuditService
    from telemetry.config.gateway.limits import GatewayLimits
    from telemetry.gateway.caller import Caller
    from telemetry.gateway.peer import Peer
    from telemetry.gateway.refused_calls import RefusedCalls


_SHOWN = 200
"""Characters of a name in an event; a certificate may have any number of them."""


class SharedStreams(Protocol):
    """Logs under the names of many services; ``telemetry.audit`` is one."""

    def on_behalf_of(self, service_name: str) -> AuditService:
        """Return the service that logs under this name.

        Raises:
            ConfigurationError: The pipeline has no shared streams.
            EventError: The name cannot be that of a service.
            BackpressureError: Too many streams are in use.
        """

    def stream_health(self) -> list[StreamHealth]:
        """Return how the open streams are.

        Raises:
            LifecycleError: The pipeline has ended.
        """


class Pipeline(Protocol):
    """The pipeline behind the gateway; a ``Telemetry`` is one."""

    @property
    def audit(self) -> SharedStreams:
        """Where events are logged."""

    def health(self) -> Health:
        """Return how the pipeline is."""


class Gateway:
    """What the routes share; ``request.app.state.gateway`` is it.

    Args:
        pipeline: Where events go.
        limits: Bounds of what callers may take.
        otlp: How log records become events; None for the defaults.
        quotas: Bounds of each identity.
        refused_calls: Records what is denied or malformed; None to record nothing.
        metrics: Counts requests.

    Attributes:
        limits: The same.
        otlp: The same.
        metrics: The same.
        bodies: Room for the bodies that are worked on.
        refused_records: Counts the log records that were refused.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        limits: GatewayLimits,
        otlp: OtlpConfig | None = None,
        *,
        quotas: Quotas | None = None,
        refused_calls: RefusedCalls | None = None,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self.limits = limits
        self.otlp = otlp or OtlpConfig()
        self.metrics = metrics or GatewayMetrics()
        self.bodies = BodyRoom(limits.max_body_bytes_at_once)
        self.refused_records = RefusedRecords()
        self._requests = Places(limits.max_requests)
        self._pipeline = pipeline
        self._quotas = quotas or Quotas()
        self._refused_calls = refused_calls

    def audit_of(self, caller: Caller) -> AuditService:
        """Return the service that logs for a caller, under its name.

        Raises:
            EventError: The service's name cannot be used.
            BackpressureError: Too many streams are in use.
        """
        return self._pipeline.audit.on_behalf_of(caller.service)

    def wait_for_quota(self, caller: Caller, events: int) -> float:
        """Take events from the caller's quota.

        Args:
            caller: Whose quota.
            events: Events that it wants to log now.

        Returns:
            0 if they were taken; else the seconds after which the caller may try again, for ``Retry-After`` of a 429.
        """
        seconds = self._quotas.wait_for(caller, events)
        if seconds:
            self.metrics.refused("quota")
        return seconds

    def refused(self, caller: Caller | None, request: Request, reason: str, *, who: str = "") -> None:
        """Report a call that is denied or malformed; it becomes an event of the gateway's own stream.

        Args:
            caller: Who called, if it was recognized.
            request: The request; nothing of its content is reported.
            reason: One word of the code for events and metrics, never something of the request.
            who: What a caller that was not recognized showed of itself; never a secret.
        """
        self.metrics.refused(reason)
        if self._refused_calls is None:
            return
        address = request.scope["state"].get("address") or ""
        if caller is None:
            self._refused_calls.add(RefusedCall(DENIED, who, "", address, reason))
        else:
            self._refused_calls.add(RefusedCall(MALFORMED, caller.identity, caller.service, address, reason))

    def denied(self, peer: Peer, reason: str) -> None:
        """Report a caller whose TLS handshake failed; it has shown nothing that says who it is."""
        self._unheard(DENIED, peer, reason)

    def malformed(self, peer: Peer, reason: str) -> None:
        """Report a caller that does not speak HTTP."""
        self._unheard(MALFORMED, peer, reason)

    def dropped(self, reason: str) -> None:
        """Count a connection that ended before anything was said."""
        self.metrics.refused(reason)

    def _unheard(self, event_type: OwnEventType, peer: Peer, reason: str) -> None:
        self.metrics.refused(reason)
        if self._refused_calls is not None:
            self._refused_calls.add(RefusedCall(event_type, ", ".join(peer.names)[:_SHOWN], "", peer.address, reason))

    @property
    def active(self) -> int:
        """Requests that are worked on."""
        return self._requests.taken

    def enter(self, caller: Caller) -> bool:
        """Begin a request; return whether so many may be worked on, and so many of this service."""
        return self._requests.take(caller.service)

    def leave(self, caller: Caller) -> None:
        """End a request that began."""
        self._requests.give_back(caller.service)

    def health(self) -> Health:
        """Return how the pipeline is."""
        return self._pipeline.health()

    def streams(self) -> list[dict[str, object]]:
        """Return how the stream of each service is that logs now; names of services are in it."""
        try:
            return [asdict(stream) for stream in self._pipeline.audit.stream_health()]
        except LifecycleError:
            return []

    def tick(self) -> None:
        """Do what is due every second."""
        if self._refused_calls is not None:
            self._refused_calls.tick()

    def end(self) -> None:
        """Log what is still counted: the gateway ends."""
        if self._refused_calls is not None:
            self._refused_calls.end()

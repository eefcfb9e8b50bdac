"""Gives each service its pipeline."""

from __future__ import annotations

from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.health import StreamHealth
from telemetry.audit.ledger import Ledger
from telemetry.audit.streams.service_pipeline import ServicePipeline
from telemetry.audit.streams.stream_registry import StreamRegistry


class ServicePipelines:
    """The pipelines of the services that a process logs for; they are small, and none is kept here.

    Args:
        registry: The streams.
        ledger: Counts what is refused.
        own_name: Name of the process's own service.
    """

    def __init__(self, registry: StreamRegistry, *, ledger: Ledger, own_name: str) -> None:
        self._registry = registry
        self._ledger = ledger
        self._own_name = own_name

    def pipeline_of(self, service_name: str, whole: EventPipeline) -> EventPipeline:
        """Return the pipeline of a service.

        Args:
            service_name: The service.
            whole: The pipeline of the process, which is that of its own name.

        Raises:
            BackpressureError: The service has no open stream, and as many are open as may.
            LifecycleError: The pipeline is shut down.
        """
        if service_name == self._own_name:
            return whole
        self._registry.require_room(service_name)
        return ServicePipeline(whole, self._registry, ledger=self._ledger, service_name=service_name)

    def health(self) -> list[StreamHealth]:
        """Return how the open streams are, in the order in which they were opened."""
        return [stream.health for stream in self._registry.streams()]

    def open_streams(self) -> int:
        """Return how many streams are open."""
        return len(self._registry)

"""Answers ``/metrics`` in the text format of Prometheus."""

from __future__ import annotations

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telemetry.system.loops.running import run_in_thread


class Exposition:
    """Collects the metrics of this process in a registry of its own, and renders them.

    It sets the meter provider of the process, so it is created before anything that measures.

    Args:
        service: Name of the gateway, for ``target_info``.
    """

    def __init__(self, service: str) -> None:
        self._registry = CollectorRegistry()
        reader = PrometheusMetricReader(scope_info_enabled=False, registry=self._registry)
        self._provider = MeterProvider([reader], resource=Resource.create({"service.name": service}))
        metrics.set_meter_provider(self._provider)

    @property
    def is_in_force(self) -> bool:
        """Whether metrics come here: OpenTelemetry keeps the first provider of a process, and ignores every later one."""
        return metrics.get_meter_provider() is self._provider

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of the admin address."""
        return (Route("/metrics", self._metrics, methods=["GET"]),)

    def close(self) -> None:
        """Collect no more."""
        self._provider.shutdown()

    async def _metrics(self, request: Request) -> Response:
        del request
        text = await run_in_thread(generate_latest, self._registry)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

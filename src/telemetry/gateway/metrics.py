"""Reports the gateway to OpenTelemetry. Attributes are few and never contain a caller, an address or content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.version import __version__

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
REFUSALS = ("too_many_requests", "too_many_bytes", "too_slow", "quota")
"""Reasons that say nothing about the caller; those of denied and malformed calls come beside them."""


class Levels(Protocol):
    """What the gauges show."""

    def connections(self) -> int:
        """Return how many connections are open."""

    def requests(self) -> int:
        """Return how many requests are worked on."""

    def identities(self) -> int:
        """Return how many identities are in force."""

    def refused_files(self) -> int:
        """Return how many groups of files could not be reloaded, so that the former ones are in force."""

    def certificate_seconds(self) -> float | None:
        """Return how long the server's certificate is still valid, in seconds; None without one."""


class GatewayMetrics:
    """The instruments of a gateway; without an SDK they cost next to nothing.

    Args:
        reasons: Every reason of a refusal, so that each series begins with 0 and the first refusal is a rise.
    """

    def __init__(self, reasons: Iterable[str] = ()) -> None:
        meter = metrics.get_meter("telemetry", __version__)
        self._meter = meter
        self._requests = meter.create_counter(
            "audit.gateway.requests_total", unit="{request}", description="Requests answered, by route and status"
        )
        self._seconds = meter.create_histogram(
            "audit.gateway.request_seconds",
            unit="s",
            description="Time from the header of a request to the end of its answer",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._refused = meter.create_counter(
            "audit.gateway.refused_total", unit="{request}", description="Requests that were not taken, by reason"
        )
        for reason in (*REFUSALS, *reasons):
            self._refused.add(0, {"reason": reason})

    def observe(self, levels: Levels) -> None:
        """Show levels as gauges from now on."""
        gauges: dict[str, tuple[str, str, Any]] = {
            "audit.gateway.connections": ("{connection}", "Open connections", levels.connections),
            "audit.gateway.active_requests": ("{request}", "Requests that are worked on", levels.requests),
            "audit.gateway.identities": ("{identity}", "Identities in force", levels.identities),
            "audit.gateway.refused_files": (
                "{file}",
                "Groups of files that could not be reloaded; the former ones are in force",
                levels.refused_files,
            ),
            "audit.gateway.certificate_expires_seconds": (
                "s",
                "How long the server's certificate is still valid",
                levels.certificate_seconds,
            ),
        }
        for name, (unit, description, read) in gauges.items():
            self._meter.create_observable_gauge(name, [_reader(read)], unit=unit, description=description)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered.

        Args:
            route: Path of its route as the code has it, never that of the request; ``none`` without one.
            status: Status of the answer; 499 if the caller went away before.
            seconds: How long it took.
        """
        self._requests.add(1, {"route": route, "status": status})
        self._seconds.record(seconds, {"route": route})

    def refused(self, reason: str) -> None:
        """Count a request that was not taken.

        Args:
            reason: A word from the code, one of few.
        """
        self._refused.add(1, {"reason": reason})


def _reader(read: Any) -> Any:
    def observe(_options: CallbackOptions) -> Iterable[Observation]:
        value = read()
        return () if value is None else (Observation(value),)

    return observe

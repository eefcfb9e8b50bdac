"""Reports a forwarder to OpenTelemetry: what it forwarded, what it could not, and how far it is behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.forward.counts import ForwardCounts, ForwardTally, State
from telemetry.version import __version__

_Reading = Callable[[ForwardCounts], float | None]

_GAUGES: dict[str, tuple[str, str, _Reading]] = {
    "audit.forward.lag_records": ("{record}", "Records of the topic that are not forwarded", lambda counts: counts.lag),
    "audit.forward.oldest_age_seconds": (
        "s",
        "Age of the oldest event that is read and not acknowledged",
        lambda counts: counts.oldest_age,
    ),
    "audit.forward.working": (
        "",
        "1 in the process that forwards and reaches its target, else 0",
        lambda counts: counts.state is State.FORWARDING,
    ),
}
_COUNTERS: dict[str, tuple[str, str, _Reading]] = {
    "audit.forward.forwarded_total": (
        "{event}",
        "Events that the target has acknowledged",
        lambda counts: counts.forwarded,
    ),
    "audit.forward.refused_total": (
        "{event}",
        "Events that the target refused for good",
        lambda counts: counts.refused,
    ),
    "audit.forward.unopened_total": (
        "{event}",
        "Events whose data key is not available",
        lambda counts: counts.unopened,
    ),
    "audit.forward.damaged_total": (
        "{record}",
        "Records that were not forwarded because they are damaged or in conflict",
        lambda counts: counts.damaged,
    ),
    "audit.forward.lost_total": (
        "{record}",
        "Records that the topic deleted before they were forwarded",
        lambda counts: counts.lost,
    ),
    "audit.forward.retries_total": (
        "{failure}",
        "Times that something failed and was tried again",
        lambda counts: counts.retries,
    ),
}


class ForwardMetrics:
    """The instruments of the forwarder of a process, created through the OpenTelemetry API; every series begins with 0.

    Args:
        tally: Its counts.
        target: Kind of its target, an attribute of the metrics.
        group: Its consumer group, another one.
    """

    def __init__(self, tally: ForwardTally, *, target: str, group: str) -> None:
        self._tally: ForwardTally | None = tally
        self._attributes = {"target": target, "group": group}

    def begin(self) -> None:
        """Have the SDK read the counts until :meth:`end`."""
        meter = metrics.get_meter("telemetry", __version__)
        for name, (unit, description, reading) in _GAUGES.items():
            meter.create_observable_gauge(name, callbacks=[self._reader(reading)], unit=unit, description=description)
        for name, (unit, description, reading) in _COUNTERS.items():
            meter.create_observable_counter(name, callbacks=[self._reader(reading)], unit=unit, description=description)

    def end(self) -> None:
        """Have the SDK no longer read the counts."""
        self._tally = None

    def _reader(self, reading: _Reading) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_options: CallbackOptions) -> Iterable[Observation]:
            tally = self._tally
            value = None if tally is None else reading(tally.snapshot())
            return [] if value is None else [Observation(value, self._attributes)]

        return read

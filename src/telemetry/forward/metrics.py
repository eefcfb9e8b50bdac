"""Reports a forwarder to OpenTelemetry: what it forwarded, what it could not, and how far it is behind."""

from __future__ import annotations

from telemetry.audit.metrics.tally_instruments import Instrument, TallyInstruments
from telemetry.forward.counts import ForwardCounts, ForwardTally, State

_GAUGES: dict[str, Instrument[ForwardCounts]] = {
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
_COUNTERS: dict[str, Instrument[ForwardCounts]] = {
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


class ForwardMetrics(TallyInstruments[ForwardCounts]):
    """The instruments of the forwarder of a process, created through the OpenTelemetry API; every series begins with 0.

    Args:
        tally: Its counts.
        target: Kind of its target, an attribute of the metrics.
        group: Its consumer group, another one.
    """

    def __init__(self, tally: ForwardTally, *, target: str, group: str) -> None:
        super().__init__(tally, gauges=_GAUGES, counters=_COUNTERS, attributes={"target": target, "group": group})

"""A forwarder is watched by gauges and counters that begin with 0 and end with it."""

from __future__ import annotations

import time

from telemetry.forward.counts import ForwardTally, State
from telemetry.forward.metrics import _COUNTERS, _GAUGES, ForwardMetrics

ATTRIBUTES = {"target": "otlp", "group": "siem"}


def read(metrics: ForwardMetrics, name: str) -> list[float]:
    reading = {**_GAUGES, **_COUNTERS}[name][2]
    return [each.value for each in metrics._reader(reading)(None)]  # type: ignore[arg-type]


def test_counts_are_read() -> None:
    tally = ForwardTally()
    metrics = ForwardMetrics(tally, target="otlp", group="siem")
    assert {name: read(metrics, name) for name in _COUNTERS} == {name: [0] for name in _COUNTERS}
    assert read(metrics, "audit.forward.lag_records") == []
    tally.add(forwarded=3, refused=1, unopened=2, damaged=4)
    tally.enter(State.FORWARDING)
    tally.behind(9, lost=0)
    tally.holds(time.time() - 60)

    assert read(metrics, "audit.forward.forwarded_total") == [3]
    assert read(metrics, "audit.forward.refused_total") == [1]
    assert read(metrics, "audit.forward.lag_records") == [9]
    assert read(metrics, "audit.forward.working") == [True]
    (age,) = read(metrics, "audit.forward.oldest_age_seconds")
    assert 60 <= age < 600
    tally.failed("away", State.AWAY)
    assert read(metrics, "audit.forward.working") == [False]
    assert read(metrics, "audit.forward.retries_total") == [1]
    metrics.end()
    assert read(metrics, "audit.forward.forwarded_total") == []


def test_error_is_over_once_it_forwards() -> None:
    tally = ForwardTally()
    tally.failed("away", State.AWAY)
    tally.enter(State.STANDBY)
    assert tally.snapshot().last_error == "away"
    tally.enter(State.FORWARDING)
    assert (tally.snapshot().last_error, tally.snapshot().retries) == ("", 1)

"""Reports relays to OpenTelemetry: what is in the outbox, how old it is, and what became of it."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.outbox.relay_counts import RelayCounts, RelayTally
from telemetry.version import __version__

_Reading = Callable[[RelayCounts], float]

_GAUGES: dict[str, tuple[str, str, _Reading]] = {
    "audit.outbox.backlog_rows": ("{row}", "Rows of the outbox that wait for the relay", lambda counts: counts.waiting),
    "audit.outbox.held_rows": ("{row}", "Rows that the relay passes over", lambda counts: counts.held_rows),
    "audit.outbox.oldest_age_seconds": (
        "s",
        "Age of the first row that waits",
        lambda counts: counts.oldest_age_seconds,
    ),
    "audit.outbox.leader": (
        "",
        "1 in the process whose relay works on the table, else 0",
        lambda counts: counts.is_leader,
    ),
}
_COUNTERS: dict[str, tuple[str, str, _Reading]] = {
    "audit.outbox.relayed_total": ("{event}", "Events that were delivered and deleted", lambda counts: counts.relayed),
    "audit.outbox.held_total": ("{row}", "Rows that the relay began to pass over", lambda counts: counts.held),
    "audit.outbox.failures_total": (
        "{failure}",
        "Times that something failed and was tried again",
        lambda counts: counts.failures,
    ),
}

_live: dict[int, tuple[int, str, weakref.ReferenceType[RelayTally]]] = {}
"""Process, table and counts of each relay, by identity. Changed in single steps, read as a copy."""


class RelayMetrics:
    """The instruments of one relay, created through the OpenTelemetry API; every series begins with 0.

    Args:
        tally: The counts of the relay.
        table: Name of its table, an attribute of the metrics.
    """

    def __init__(self, tally: RelayTally, *, table: str) -> None:
        self._tally = tally
        self._table = table

    def begin(self) -> None:
        """Have the SDK read the counts until :meth:`end`, or until the relay is gone."""
        _live[id(self._tally)] = os.getpid(), self._table, weakref.ref(self._tally)
        meter = metrics.get_meter("telemetry", __version__)
        for name, (unit, description, reading) in _GAUGES.items():
            meter.create_observable_gauge(name, callbacks=[_reader(reading)], unit=unit, description=description)
        for name, (unit, description, reading) in _COUNTERS.items():
            meter.create_observable_counter(name, callbacks=[_reader(reading)], unit=unit, description=description)

    def end(self) -> None:
        """Have the SDK no longer read the counts."""
        _live.pop(id(self._tally), None)


def _reader(reading: _Reading) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        by_table: dict[str, float] = {}
        for key, (pid, table, reference) in list(_live.items()):
            tally = reference()
            if tally is None:
                _live.pop(key, None)
            elif pid == os.getpid():
                by_table[table] = by_table.get(table, 0.0) + reading(tally.snapshot())
        return [Observation(value, {"table": table}) for table, value in by_table.items()]

    return read

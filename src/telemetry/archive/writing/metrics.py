"""Reports an archiver to OpenTelemetry: what it committed, how far it is behind, and what was lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from telemetry.archive.writing.counts import ArchiveCounts, ArchiveTally
from telemetry.version import __version__

_Reading = Callable[[ArchiveCounts], float | None]

_GAUGES: dict[str, tuple[str, str, _Reading]] = {
    "audit.archive.lag_records": (
        "{record}",
        "Records of the topic that are not archived",
        lambda counts: counts.lag_records,
    ),
    "audit.archive.lag_seconds": (
        "s",
        "Age of the oldest record of the topic that is not archived",
        lambda counts: counts.lag_seconds,
    ),
    "audit.archive.retention_share": (
        "",
        "Share of the topic's retention that is over for that record",
        lambda counts: counts.retention_share,
    ),
    "audit.archive.waiting_objects": (
        "{object}",
        "Fallback objects that cannot be opened or read now",
        lambda counts: counts.waiting_objects,
    ),
    "audit.archive.seal": ("", "Number of the last seal", lambda counts: counts.number),
    "audit.archive.working": (
        "",
        "1 in the process that archives and whose last try did not fail, else 0",
        lambda counts: counts.is_working,
    ),
}
_COUNTERS: dict[str, tuple[str, str, _Reading]] = {
    "audit.archive.commits_total": ("{commit}", "Commits", lambda counts: counts.commits),
    "audit.archive.rows_total": ("{row}", "Rows that were committed", lambda counts: counts.rows),
    "audit.archive.objects_total": ("{object}", "Fallback objects that were committed", lambda counts: counts.objects),
    "audit.archive.lost_total": (
        "{record}",
        "Offsets that the topic deleted before they were archived",
        lambda counts: counts.lost,
    ),
    "audit.archive.failures_total": (
        "{failure}",
        "Times that something failed and was tried again",
        lambda counts: counts.failures,
    ),
}


class ArchiveMetrics:
    """The instruments of the archiver of a process, created through the OpenTelemetry API; every series begins with 0.

    Args:
        tally: Its counts.
        topic: The topic, an attribute of the metrics.
    """

    def __init__(self, tally: ArchiveTally, *, topic: str) -> None:
        self._tally: ArchiveTally | None = tally
        self._attributes = {"topic": topic}

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

"""Reports an archiver to OpenTelemetry: what it committed, how far it is behind, and what was lost."""

from __future__ import annotations

from telemetry.archive.writing.counts import ArchiveCounts, ArchiveTally
from telemetry.audit.metrics.tally_instruments import Instrument, TallyInstruments

_GAUGES: dict[str, Instrument[ArchiveCounts]] = {
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
_COUNTERS: dict[str, Instrument[ArchiveCounts]] = {
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


class ArchiveMetrics(TallyInstruments[ArchiveCounts]):
    """The instruments of the archiver of a process, created through the OpenTelemetry API; every series begins with 0.

    Args:
        tally: Its counts.
        topic: The topic, an attribute of the metrics.
    """

    def __init__(self, tally: ArchiveTally, *, topic: str) -> None:
        super().__init__(tally, gauges=_GAUGES, counters=_COUNTERS, attributes={"topic": topic})

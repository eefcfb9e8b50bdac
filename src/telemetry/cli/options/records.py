"""Reads the records of a trail from the fallback store, if one is configured, and from the topic."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.cli.output.console import BarTotal, progress
from telemetry.config import AuditConfig
from telemetry.reader import DamagedRecord, FallbackSource, KafkaSource, RawRecord, ReadRange
from telemetry.storage import StorageProviderFactory


def trail_records(
    audit: AuditConfig, label: str, *, since: float | None = None, headers: bool = False
) -> Iterator[RawRecord | DamagedRecord]:
    """Yield every record, with a progress bar on a terminal.

    Args:
        audit: Configuration of topic and store; no key is needed.
        label: Text beside the progress bar.
        since: Start at this time by Kafka's timestamps, in seconds since the epoch; None for the beginning.
        headers: Whether to read the records' headers too.

    Raises:
        TransportError: The topic cannot be read.
        StorageError: The store cannot be read.
    """
    with progress(label) as (bar, task):
        if audit.storage_config is not None:
            # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
            with StorageProviderFactory.create(audit.storage_config) as store:
                yield from FallbackSource(store, topic=audit.kafka_topic)
        within = ReadRange(since=since)
        with KafkaSource(audit, within=within, headers=headers, progress=BarTotal(bar, task)) as source:
            for record in source:
                bar.advance(task)
                yield record

"""Reads the records of a trail from the fallback store, if one is configured, and from the topic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from telemetry.cli.options.stored import open_fallback
from telemetry.cli.output.console import BarTotal, progress
from telemetry.config import TelemetryConfig
from telemetry.reader import DamagedRecord, KafkaSource, RawRecord, ReadRange


def trail_records(
    config: TelemetryConfig, label: str, *, since: float | None = None, headers: bool = False
) -> Iterator[RawRecord | DamagedRecord]:
    """Yield every record, with a progress bar on a terminal.

    Args:
        config: Configuration of topic and store; no key is needed to read what is on the topic.
        label: Text beside the progress bar.
        since: Start at this time by Kafka's timestamps, in seconds since the epoch; None for the beginning.
        headers: Whether to read the records' headers too.

    Raises:
        TransportError: The topic cannot be read.
        StorageError: The store cannot be read.
    """
    with progress(label) as (bar, task):
        # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
        with ExitStack() as stack:
            yield from open_fallback(config, stack) or ()
        within = ReadRange(since=since)
        with KafkaSource(config.audit_config, within=within, headers=headers, progress=BarTotal(bar, task)) as source:
            for record in source:
                bar.advance(task)
                yield record

"""Reads the records of a trail from the fallback store, if one is configured, and from the topic."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from telemetry.cli.options.stored import open_fallback
from telemetry.cli.output.console import BarTotal, progress
from telemetry.config import TelemetryConfig
from telemetry.reader import DamagedRecord, KafkaSource, RawRecord, ReadRange


@dataclass(slots=True)
class ReadTally:
    """Counts what was read.

    Attributes:
        records: Records that were read; one that is read twice counts twice.
        unreadable: Those of them that the source could not read.
    """

    records: int = 0
    unreadable: int = 0


def trail_records(
    config: TelemetryConfig,
    label: str,
    *,
    since: float | None = None,
    headers: bool = False,
    tally: ReadTally | None = None,
) -> Iterator[RawRecord | DamagedRecord]:
    """Yield every record: of the store first, then of the topic in the order of arrival; with a progress bar on a terminal.

    Args:
        config: Configuration of topic and store; no key is needed to read what is on the topic.
        label: Text beside the progress bar.
        since: Start at this time by Kafka's timestamps, in seconds since the epoch; None for the beginning.
        headers: Whether to read the records' headers too.
        tally: Counts the records.

    Raises:
        TransportError: The topic cannot be read.
        StorageError: The store cannot be read.
    """
    tally = tally or ReadTally()
    with progress(label) as (bar, task):
        # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
        with ExitStack() as stack:
            for record in open_fallback(config, stack) or ():
                _count(tally, record)
                yield record
        within = ReadRange(since=since)
        topic = KafkaSource(
            config.audit_config, within=within, headers=headers, progress=BarTotal(bar, task), merged=True
        )
        with topic as source:
            for record in source:
                _count(tally, record)
                bar.advance(task)
                yield record


def _count(tally: ReadTally, record: RawRecord | DamagedRecord) -> None:
    tally.records += 1
    tally.unreadable += isinstance(record, DamagedRecord)

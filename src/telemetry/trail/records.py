"""Reads the records of a trail: from the fallback store, if one is configured, and the topic, or from a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from telemetry.config import TelemetryConfig
from telemetry.reader import DamagedRecord, FileSource, KafkaSource, ReadRange
from telemetry.reader.entry import SourceRecord
from telemetry.trail.place import TrailPlace
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.stored import open_fallback, open_storage_keys


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
    progress: ProgressDisplay = NO_PROGRESS,
    file: Path | None = None,
    place: TrailPlace | None = None,
    since: float | None = None,
    headers: bool = False,
    tally: ReadTally | None = None,
) -> Iterator[SourceRecord]:
    """Yield every record: of the store first, then of the topic in the order of arrival.

    Args:
        config: Configuration of topic and store; no key is needed to read what is on the topic.
        label: What the records are read for, for the display.
        progress: Shows how far it is.
        file: A file to read instead, whole.
        place: A place to read instead, whole.
        since: Start at this time by Kafka's timestamps, in seconds since the epoch; None for the beginning.
        headers: Whether to read the records' headers too.
        tally: Counts the records.

    Raises:
        ConfigurationError: The file cannot be opened.
        TransportError: The topic cannot be read.
        StorageError: The store or the file cannot be read.
    """
    tally = tally or ReadTally()
    with progress.step(label) as step:
        if place is not None:
            for record in place.source(progress=step):
                _count(tally, record)
                step.advance()
                yield record
            return
        if file is not None:
            with ExitStack() as stack:
                for record in FileSource(file, keys=open_storage_keys(config, stack)):
                    _count(tally, record)
                    step.advance()
                    yield record
            return
        # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
        with ExitStack() as stack:
            for record in open_fallback(config, stack) or ():
                _count(tally, record)
                yield record
        within = ReadRange(since=since)
        topic = KafkaSource(config.audit_config, within=within, headers=headers, progress=step, merged=True)
        with topic as source:
            for record in source:
                _count(tally, record)
                step.advance()
                yield record


def _count(tally: ReadTally, record: SourceRecord) -> None:
    tally.records += 1
    tally.unreadable += isinstance(record, DamagedRecord)

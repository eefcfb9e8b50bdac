"""Opens rows of the archive on a worker: each worker asks the key service once for each data key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from telemetry.archive.rows.records import records_of
from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.reader.entry import DamagedRecord, Entry, OpenedEvent, RawRecord
from telemetry.reader.mappings.arrow.library import pa
from telemetry.reader.mappings.event import event_record
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.open.subjects import subjects_of
from telemetry.reader.open.trail_reader import TrailReader

OPENED_SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("us", tz="UTC")),
        pa.field("id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("service_name", pa.string()),
        pa.field("environment", pa.string()),
        pa.field("outcome", pa.string()),
        pa.field("producer", pa.string()),
        pa.field("sequence", pa.int64()),
        pa.field("place", pa.string()),
        pa.field("event", pa.string()),
        pa.field("error", pa.string()),
    ]
)
"""An event with all its fields as JSON in ``event``; or the ``error`` of a record that was altered or cannot be opened."""

_ROWS = 10_000

_encode = msgspec.json.Encoder().encode


def open_rows(batches: Iterable[pa.RecordBatch], *, config: TelemetryConfig | Path | str) -> Iterator[pa.RecordBatch]:
    """Yield the events of an archive, opened and checked byte for byte; copies are among them.

    The program that starts the job records the read first, once: :func:`telemetry.spark.record_read`.

    Args:
        batches: Rows of the archive, all columns.
        config: The configuration, or its file, which every worker must have: keys are never sent from one process to another.

    Raises:
        ConfigurationError: The configuration cannot be used.
    """
    rows: list[dict[str, Any]] = []
    for entry in entries_of(batches, config=config):
        found = _row(entry)
        if found is not None:
            rows.append(found)
        if len(rows) >= _ROWS:
            yield pa.RecordBatch.from_pylist(rows, schema=OPENED_SCHEMA)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=OPENED_SCHEMA)


def entries_of(batches: Iterable[pa.RecordBatch], *, config: TelemetryConfig | Path | str) -> Iterator[Entry]:
    """Yield what is in the rows of an archive, as a reader of the topic would yield it.

    Args:
        batches: Rows of the archive, all columns.
        config: The configuration, or its file.

    Raises:
        ConfigurationError: The configuration cannot be used.
    """
    if not isinstance(config, TelemetryConfig):
        config = TelemetryConfig.load(config)
    encryption = config.audit_config.encryption_config
    provider = EncryptionProviderFactory.create(encryption) if encryption is not None else None
    rules = ReadingRules(duplicates=True, repeats=True, needs_seals=config.audit_config.encryption_enabled)
    subjects = subjects_of(config, provider)
    reader = TrailReader(_Records(batches), provider=provider, rules=rules, subjects=subjects)
    try:
        yield from reader
    finally:
        reader.close()
        if subjects is not None:
            subjects.close()
        if provider is not None:
            provider.close()


class _Records:
    """The rows as a source of records; what has no value any more is not opened.

    Args:
        batches: The rows.
    """

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        for batch in self._batches:
            for record in records_of(batch, store_name="archive"):
                if isinstance(record, RawRecord | DamagedRecord):
                    yield record


def _row(entry: Entry) -> dict[str, Any] | None:
    """Return the row of an entry; None for what is no event."""
    if isinstance(entry, DamagedRecord):
        return {"place": str(entry.place), "error": str(entry.error)}
    if not isinstance(entry, OpenedEvent):
        return None
    event = entry.event
    return {
        "time": datetime.fromisoformat(event.time),
        "id": event.id,
        "event_type": event.event_type,
        "user_id": event.user_id,
        "service_name": event.service_name,
        "environment": event.environment,
        "outcome": event.outcome,
        "producer": event.producer,
        "sequence": event.sequence,
        "place": str(entry.place),
        "event": _encode(event_record(entry)).decode(),
    }

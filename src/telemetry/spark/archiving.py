"""Turns the records of Spark's Kafka source into rows of the archive; nothing is opened."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.exceptions import FormatError
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.mappings.arrow.library import pa

ARCHIVE_SCHEMA = pa.schema(
    [pa.field(each.name, pa.binary() if pa.types.is_fixed_size_binary(each.type) else each.type) for each in SCHEMA]
)
"""The columns of the archive as Spark knows them: it has no bytes of a fixed length."""

_NEEDED = ("key", "value", "topic", "partition", "offset", "timestamp", "timestampType")
_LOG_APPEND_TIME = 1


def archive_rows(batches: Iterable[pa.RecordBatch], *, keeps_keys: bool = False) -> Iterator[pa.RecordBatch]:
    """Yield a row for each record, as the archiver would write it; each batch is sorted.

    Args:
        batches: The columns of Spark's Kafka source. With ``includeHeaders`` the leaf hashes of checkpoints are kept, which name
            lost records one by one.
        keeps_keys: Whether Kafka keys are kept; only for ``key_mode="hmac"``, since others name users.

    Raises:
        FormatError: A column is missing.
    """
    maker = RowMaker(now=time.time, keeps_keys=keeps_keys)
    for batch in batches:
        rows = [maker.row_of(record) for record in _records(batch)]
        if rows:
            yield from table_of(rows).cast(ARCHIVE_SCHEMA).to_batches()


def _records(batch: pa.RecordBatch) -> Iterator[RawRecord]:
    missing = [name for name in _NEEDED if name not in batch.schema.names]
    if missing:
        message = f"the batch has no column {', '.join(missing)}: pass the columns of Spark's Kafka source"
        raise FormatError(message)
    columns: list[list[Any]] = [batch.column(name).to_pylist() for name in _NEEDED]
    headers = batch.column("headers").to_pylist() if "headers" in batch.schema.names else [None] * len(batch)
    for key, value, topic, partition, offset, moment, kind, known in zip(*columns, headers, strict=True):
        timestamp = moment.timestamp()
        yield RawRecord(
            key,
            value,
            Place(topic, partition, offset),
            timestamp,
            tuple((each["key"], each["value"] or b"") for each in known or ()),
            timestamp if kind == _LOG_APPEND_TIME else None,
        )

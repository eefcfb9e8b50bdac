"""Makes rows of an archive for tests of its upkeep, without sealing anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from telemetry.archive.rows.columns import Row, row
from telemetry.archive.rows.tables import table_of

DAY = 20_000
"""The day of the rows, in days since the epoch."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = EPOCH + timedelta(days=DAY, hours=12)
KEYHASH = "k" * 22
A, B = "0198c0de-0000-7000-8000-00000000000a", "0198c0de-0000-7000-8000-00000000000b"
"""Producers; A comes first."""


def micros(moment: datetime) -> int:
    """Return microseconds since the epoch."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def an_event(producer: str, sequence: int, *, content: bytes = b"", **columns: Any) -> Row:
    """Return the row of an event; another content makes another value."""
    value = b"%b %d %b" % (producer.encode(), sequence, content)
    time = micros(NOON) + sequence
    made = {
        "time": time,
        "id": f"{producer}-{sequence}",
        "type": "order.paid",
        "keyhash": KEYHASH,
        "actorid": "alice",
        "kafka_time": time,
        "offset": sequence,
        "topic": "audit",
        "partition": 0,
    }
    fixed = {
        "day": DAY,
        "service": "shop",
        "environment": "test",
        "kind": "event",
        "producer": producer,
        "sequence": sequence,
        "leaf": hashlib.sha256(b"\0" + value).digest(),
        "value": value,
    }
    return row(**{**fixed, **made, **columns})


def a_checkpoint(producer: str, size: int) -> Row:
    """Return the row of a checkpoint."""
    fixed = {"day": DAY, "service": "shop", "environment": "test", "kind": "checkpoint", "producer": producer}
    return row(**fixed, sequence=size, value=b"note", topic="audit", partition=0, offset=100_000 + size)


class Rows:
    """Sorted rows, in batches of a few."""

    def __init__(self, rows: list[Row], *, batch: int = 7) -> None:
        self.table = table_of(rows)
        self._batch = batch

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self.table.to_batches(max_chunksize=self._batch)

    def tables(self) -> Iterator[pa.Table]:
        for batch in self.batches():
            yield pa.Table.from_batches([batch])

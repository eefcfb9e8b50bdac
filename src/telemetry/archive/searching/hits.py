"""Compares the columns of a row that was found with the value in it: columns are not believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from telemetry.archive.rows.columns import CLEAR_COLUMNS, COLUMNS
from telemetry.archive.rows.records import RECORD_COLUMNS, records_of
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.reader.entry import Place, RawRecord, RedactedEvent, SourceRecord

SHOWN_COLUMNS = (
    *("day", "service", "environment", "producer", "sequence", "time", "id", "type", *CLEAR_COLUMNS),
    *("keyhash", "kid", "keyid", "topic", "partition", "offset", "kafka_time", "object", "line"),
)
"""Columns that a search may show."""
FOUND_COLUMNS = tuple(dict.fromkeys((*RECORD_COLUMNS, *SHOWN_COLUMNS)))
"""Columns that are read of each row that was found."""

_COMPARED = (
    *("service", "environment", "kind", "producer", "sequence", "time", "id", "type", *CLEAR_COLUMNS),
    *("keyhash", "kid", "keyid"),
)
_INDEX = {name: number for number, name in enumerate(COLUMNS)}


class Hit(NamedTuple):
    """An event that was found.

    Attributes:
        columns: What the archive says of it, by name: times in microseconds, the day in days since the epoch.
        record: Its record; of one that was redacted, what is left.
        differing: Columns that are not what the value says; then neither is believed.
    """

    columns: dict[str, Any]
    record: RawRecord | RedactedEvent
    differing: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Place of the record."""
        return self.record.place

    @property
    def is_redacted(self) -> bool:
        """Whether its value was removed, so that nothing proves its columns."""
        return isinstance(self.record, RedactedEvent)


class HitReader:
    """Reads rows that were found.

    Args:
        topic: Topic of the trail.
    """

    def __init__(self, *, topic: str) -> None:
        self._topic = topic
        self._maker = RowMaker(now=time.time)

    def hits(self, rows: pa.Table) -> Iterator[Hit]:
        """Yield the events among some rows, each compared with its value.

        Args:
            rows: Rows with at least ``FOUND_COLUMNS``.
        """
        for batch in rows.to_batches():
            shown = _plain(batch)
            for columns, record in zip(shown, records_of(batch, store_name=self._topic), strict=True):
                yield self._hit(columns, record)

    def _hit(self, columns: dict[str, Any], record: SourceRecord) -> Hit:
        if isinstance(record, RedactedEvent):
            return Hit(columns, record)
        if not isinstance(record, RawRecord):
            return Hit(columns, record.raw, ("kind",))
        made = self._maker.row_of(record)
        # What the value does not say is not shown, whatever the column has.
        differing = tuple(name for name in _COMPARED if _text(made[_INDEX[name]]) != columns[name])
        return Hit(columns, record, differing)


def _plain(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    names = [*SHOWN_COLUMNS, "kind"]
    columns = [_numbers(batch.column(name)) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _numbers(column: pa.Array) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    elif pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return column.to_pylist()  # type: ignore[no-any-return]


def _text(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

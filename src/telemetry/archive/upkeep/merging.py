"""Merges sorted files into one sorted stream of batches, with one batch of each file in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import pyarrow as pa

from telemetry.archive.rows.columns import SORT_COLUMNS
from telemetry.archive.rows.tables import sorted_table

MAX_INPUTS = 64
"""Inputs that are merged at once: each has a batch in memory. More of them are merged in several steps."""
BATCH_ROWS = 1_000

ORDER_COLUMNS = ("day", *SORT_COLUMNS)
"""Columns that decide the order of rows."""

_NOTHING = pa.RecordBatch.from_arrays([], names=[])
_Key = tuple[tuple[bool, Any], ...]


class SortedInput(Protocol):
    """Yields batches of rows in the order of the table."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the batches, each row once."""


def merged(inputs: Iterable[SortedInput]) -> Iterator[pa.Table]:
    """Yield the rows of all inputs in the order of the table; rows of equal keys in the order of the inputs.

    Args:
        inputs: At most ``MAX_INPUTS`` sorted inputs.
    """
    cursors = [cursor for cursor in (_Cursor(each.batches()) for each in inputs) if cursor.advance()]
    while cursors:
        # Everything up to the smallest last row can be written: no input has an earlier row that was not read.
        bound = min(cursor.last for cursor in cursors)
        parts = [part for part in (cursor.taken(bound) for cursor in cursors) if part.num_rows]
        rows = pa.Table.from_batches(parts)
        yield sorted_table(rows) if len(parts) > 1 else rows
        cursors = [cursor for cursor in cursors if not cursor.is_empty or cursor.advance()]


def is_in_order(rows: pa.RecordBatch) -> bool:
    """Return whether rows are in the order of the table.

    Args:
        rows: Rows with ``ORDER_COLUMNS``.
    """
    keys = pa.Table.from_batches([rows]).select(list(ORDER_COLUMNS))
    return bool(sorted_table(keys).equals(keys))


def key_at(rows: pa.RecordBatch, index: int) -> _Key:
    """Return the key of a row, in a form that compares as the table sorts: what is absent comes first."""
    return tuple(_part(rows.column(name)[index].as_py()) for name in ORDER_COLUMNS)


class _Cursor:
    """The rows of one input that were read and not yet written.

    Args:
        batches: Its batches.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._rows = _NOTHING
        self.last: _Key = ()

    @property
    def is_empty(self) -> bool:
        return not self._rows.num_rows

    def advance(self) -> bool:
        """Read the next rows; return whether there are any."""
        self._rows = next((batch for batch in self._batches if batch.num_rows), _NOTHING)
        if self.is_empty:
            return False
        self.last = key_at(self._rows, self._rows.num_rows - 1)
        return True

    def taken(self, bound: _Key) -> pa.RecordBatch:
        """Take the rows up to a key."""
        rows = self._rows
        count = rows.num_rows if self.last <= bound else _count_up_to(rows, bound)
        self._rows = rows.slice(count)
        return rows.slice(0, count)


def _count_up_to(rows: pa.RecordBatch, bound: _Key) -> int:
    low, high = 0, rows.num_rows
    while low < high:
        middle = (low + high) // 2
        if key_at(rows, middle) <= bound:
            low = middle + 1
        else:
            high = middle
    return low


def _part(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)

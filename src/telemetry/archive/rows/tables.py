"""Builds Arrow tables of rows, in the order in which files keep them."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from importlib import import_module
from itertools import accumulate, repeat
from operator import itemgetter
from typing import Any

import pyarrow as pa

from telemetry.archive.rows.columns import COLUMNS, SCHEMA, SORT_COLUMNS, Row

pc: Any = import_module("pyarrow.compute")  # makes its functions when it is imported, unseen by type checkers

_DAY = COLUMNS.index("day")
_SERVICE, _PRODUCER, *_WITHIN = map(COLUMNS.index, SORT_COLUMNS)
_EPOCH = date(1970, 1, 1)

_run_of = itemgetter(_DAY, _SERVICE, _PRODUCER)
_place_of = itemgetter(*_WITHIN)


def table_of(rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table with the columns of ``SCHEMA``, sorted by day and ``SORT_COLUMNS``."""
    # A dictionary of runs first: the rows of one producer on one day are sorted by their numbers then, not by all columns.
    runs: defaultdict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        runs[_run_of(row)].append(row)
    ordered: list[Row] = []
    for run in sorted(runs, key=comparable):
        ordered += _sorted_run(runs[run])
    return _columns_of(ordered)


def sorted_table(table: pa.Table) -> pa.Table:
    """Return a table in the same order as :func:`table_of`."""
    # Nulls come first: they are sorted as what is smaller than every value.
    keys = {name: filled(table.column(name)) for name in ("day", *SORT_COLUMNS)}
    return table.take(pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys]))


def days_of(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Yield the days of a table that is sorted by day, each with its rows."""
    days = table.column("day").combine_chunks().cast(pa.int32())
    runs = pc.run_end_encode(days)
    chunks = runs.chunks if isinstance(runs, pa.ChunkedArray) else [runs]
    start = 0
    for chunk in chunks:
        for end, day in zip(chunk.run_ends.to_pylist(), chunk.values.to_pylist(), strict=True):
            yield _EPOCH + timedelta(days=day), table.slice(start, end - start)
            start = end


def _sorted_run(rows: list[Row]) -> list[Row]:
    try:
        rows.sort(key=_place_of)
    except TypeError:
        # Some have no sequence, or no offset: a damaged value claims none, a record of an object has none.
        rows.sort(key=lambda row: [(cell is not None, cell or 0) for cell in _place_of(row)])
    return rows


def comparable(run: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a day, a service and a producer are sorted by: nulls come first."""
    day, service, producer = run
    return day, service is not None, service or "", producer is not None, producer or ""


def filled(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column of the order in which every null is smaller than every value."""
    if not column.null_count:
        return column
    return pc.fill_null(column, "" if pa.types.is_string(column.type) else -1)


def _columns_of(rows: list[Row]) -> pa.Table:
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True) if rows else repeat((), len(COLUMNS))
    return pa.Table.from_arrays(
        [_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


def _joined(values: Sequence[bytes]) -> pa.Array:
    """Return an array of binary values; they are most of a table, and are copied once here instead of three times."""
    ends = array("i", [0])
    try:
        ends.extend(accumulate(map(len, values)))
    except OverflowError:
        return pa.array(values, pa.binary())  # in several chunks
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])


def _array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_binary(type_) and None not in values:
        return _joined(values)
    if pa.types.is_date32(type_):
        return pa.array(values, pa.int32()).cast(type_)
    if pa.types.is_timestamp(type_):
        return pa.array(values, pa.int64()).cast(type_)
    return pa.array(values, type_)

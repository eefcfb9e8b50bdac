"""Merges sorted tables into one without copying their rows: runs of one producer are put one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

import pyarrow as pa

from telemetry.archive.rows.columns import SORT_COLUMNS
from telemetry.archive.rows.tables import comparable, filled, sorted_table

pc: Any = import_module("pyarrow.compute")  # makes its functions when it is imported, unseen by type checkers

_RUN_COLUMNS = ("day", *SORT_COLUMNS[:2])
_PLACE_COLUMNS = SORT_COLUMNS[2:]
_LEAST_ROWS = 64
"""Of a run, on average: many shorter pieces cost more than to sort and copy all rows."""


class _Run(NamedTuple):
    """Rows of one producer on one day, in a table."""

    rows: pa.Table
    first: tuple[Any, ...]
    last: tuple[Any, ...]


def merged_table(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of sorted tables as one sorted table.

    Rows that are equal in all columns of the order keep the order of the tables.

    Args:
        tables: Tables in the order of ``table_of``; at least one.
    """
    whole = pa.concat_tables(tables)
    if len(tables) == 1:
        return whole
    runs: defaultdict[tuple[Any, ...], list[_Run]] = defaultdict(list)
    count = 0
    for table in tables:
        bounds = _bounds(table)
        count += len(bounds) - 1
        if count * _LEAST_ROWS > len(whole):
            return sorted_table(whole)
        for key, run in _runs(table, bounds):
            runs[key].append(run)
    pieces: list[pa.Table] = []
    for key in sorted(runs, key=comparable):
        pieces += _in_order(runs[key])
    return pa.concat_tables(pieces) if pieces else whole


def _bounds(table: pa.Table) -> list[int]:
    """Return where the runs of a table begin, and its end."""
    if not len(table):
        return [0]
    changes = None
    for name in _RUN_COLUMNS:
        column = filled(table.column(name)).combine_chunks()
        differs = pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))
        changes = differs if changes is None else pc.or_(changes, differs)
    starts = pc.add(pc.indices_nonzero(changes), 1).to_pylist()
    return [0, *starts, len(table)]


def _runs(table: pa.Table, bounds: Sequence[int]) -> Iterator[tuple[tuple[Any, ...], _Run]]:
    keys = table.select(_RUN_COLUMNS).take(pa.array(bounds[:-1], pa.int64())).to_pylist()
    places = table.select(_PLACE_COLUMNS)
    firsts = places.take(pa.array(bounds[:-1], pa.int64())).to_pylist()
    lasts = places.take(pa.array([end - 1 for end in bounds[1:]], pa.int64())).to_pylist()
    for key, first, last, start, end in zip(keys, firsts, lasts, bounds[:-1], bounds[1:], strict=True):
        yield tuple(key.values()), _Run(table.slice(start, end - start), _place(first), _place(last))


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple([(cell is not None, 0 if cell is None else cell) for cell in row.values()])


def _in_order(runs: list[_Run]) -> list[pa.Table]:
    """Return the rows of one producer on one day: as they are if no run begins before the end of the one before it."""
    if all(before.last <= after.first for before, after in pairwise(runs)):
        return [run.rows for run in runs]
    return [sorted_table(pa.concat_tables([run.rows for run in runs]))]

"""Chooses the rows of a batch by the values of a column."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from typing import Any

import pyarrow as pa

pc: Any = import_module("pyarrow.compute")  # makes its functions when it is imported, unseen by type checkers


def rows_with(batch: pa.RecordBatch, column: str, values: Collection[str]) -> pa.RecordBatch:
    """Return the rows whose column has one of some values.

    Args:
        batch: The rows.
        column: A column of texts.
        values: The values.
    """
    return batch.filter(pc.is_in(batch.column(column), value_set=pa.array(sorted(values), pa.string())))

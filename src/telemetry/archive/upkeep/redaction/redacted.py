"""Removes from rows what a redaction removes, and checks that the proof of every event is still there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyarrow import compute

from telemetry.archive.rows.columns import PERSONAL_COLUMNS, SCHEMA
from telemetry.archive.upkeep.fingerprint import Fingerprint
from telemetry.archive.upkeep.leaf_digest import LeafDigest
from telemetry.archive.upkeep.redaction.request import RedactionRequest
from telemetry.archive.upkeep.row_change import RowChange, require_same
from telemetry.exceptions import ArchiveError

_arrow: Any = compute
"""Its functions are made at run time, so that no type checker knows them."""

ERASED_COLUMNS = ("value", *PERSONAL_COLUMNS, "error")
"""What a redacted row does not have any more. Its place, stream, leaf, id, type, time and the names of its data key stay:
they are needed for the proof, for retention and to tell the auditor what was removed."""


class Redacted(RowChange):
    """Removes the values of events, and everything that may say whom they are about.

    Args:
        request: Which events, and why.

    Attributes:
        count: Events that were redacted.
    """

    def __init__(self, request: RedactionRequest) -> None:
        self.count = 0
        self._request = request
        self._expected = Fingerprint()
        self._leaves = LeafDigest()

    def changed(self, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield the rows, those that are concerned without their values."""
        for table in rows:
            self._leaves.add(table)
            mask = self._request.wanted(table)
            redacted = self._without_values(table, mask)
            self.count += _count(mask)
            self._expected = self._expected.of(redacted)
            yield redacted

    def require_kept(self, written: Iterable[pa.Table]) -> None:
        """Check what was written.

        1. It is what was to be written.
        2. Every leaf hash of the inputs is there.
        3. No row that is concerned is left.
        """
        leaves, left = LeafDigest(), 0

        def watched() -> Iterator[pa.Table]:
            nonlocal left
            for table in written:
                leaves.add(table)
                left += _count(self._request.wanted(table))
                yield table

        # 1.
        require_same(self._expected, watched())
        # 2. and 3.
        if leaves.total != self._leaves.total or left:
            message = "the rows that were written do not have every leaf hash, or have a value that was to be removed"
            raise ArchiveError(message)

    def _without_values(self, table: pa.Table, mask: pa.BooleanArray) -> pa.Table:
        if not _arrow.any(mask).as_py():
            return table
        columns = [self._column(table, field, mask) for field in SCHEMA]
        return pa.Table.from_arrays(columns, schema=SCHEMA)

    def _column(self, table: pa.Table, field: pa.Field, mask: pa.BooleanArray) -> pa.ChunkedArray:
        column = table.column(field.name)
        if field.name == "redacted":
            return _marked(column, mask, self._mark(field.type))
        return _arrow.if_else(mask, pa.scalar(None, field.type), column) if field.name in ERASED_COLUMNS else column

    def _mark(self, type_: pa.DataType) -> pa.Scalar:
        request = self._request
        return pa.scalar(
            {"at": request.at, "by": request.by, "reason": request.reason, "request": request.request}, type_
        )


def _marked(column: pa.ChunkedArray, mask: pa.BooleanArray, mark: pa.Scalar) -> pa.ChunkedArray:
    # Arrow has no choice between structures.
    marks = [
        mark.as_py() if is_wanted else before
        for is_wanted, before in zip(mask.to_pylist(), column.to_pylist(), strict=True)
    ]
    return pa.chunked_array([pa.array(marks, column.type)])


def _count(mask: pa.BooleanArray) -> int:
    return int(_arrow.sum(mask).as_py() or 0)

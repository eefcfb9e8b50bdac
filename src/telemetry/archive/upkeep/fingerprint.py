"""Compares the rows of files before and after they are rewritten, in whatever order they are."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from telemetry.archive.rows.columns import COLUMNS

_MODULUS = 1 << 256


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A number of rows and the sum of their digests, which does not depend on their order.

    It finds errors of this program and of its libraries. Nobody has to be kept from aiming at it: who can choose the rows
    that are written needs no collision.

    Attributes:
        rows: How many rows.
        total: Sum of their SHA-256 digests, modulo 2**256.
    """

    rows: int = 0
    total: int = 0

    def of(self, batch: pa.RecordBatch | pa.Table) -> Fingerprint:
        """Return the fingerprint of these rows as well."""
        digests = (_digest(row) for row in zip(*_columns(batch), strict=True))
        return Fingerprint(self.rows + batch.num_rows, (self.total + sum(digests)) % _MODULUS)


def _columns(batch: pa.RecordBatch | pa.Table) -> list[Sequence[Any]]:
    return [_comparable(batch.column(name)).to_pylist() for name in COLUMNS]


def _comparable(column: Any) -> Any:
    # As numbers: a date or a time would become an object for each row.
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64())
    return column.cast(pa.int32()) if pa.types.is_date32(column.type) else column


def _digest(row: tuple[Any, ...]) -> int:
    # The representation of a tuple of texts, numbers and bytes is that of no other tuple.
    return int.from_bytes(hashlib.sha256(repr(row).encode("utf-8", "surrogatepass")).digest(), "big")

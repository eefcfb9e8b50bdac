"""Gathers the rows of a commit, and what its seal says of them: the largest trees that were signed, and the newest roster."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from telemetry.archive.rows.columns import COLUMNS, Kind
from telemetry.archive.rows.merging import merged_table
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.archive.writing.named_streams import NamedStreams
from telemetry.format.archive.seal import SealedStream
from telemetry.reader.entry import DamagedRecord, RawRecord

_CHUNK_ROWS = 20_000
_KIND, _VALUE = COLUMNS.index("kind"), COLUMNS.index("value")
_ROW_BYTES = 400
"""Memory of a row beside its value, in a table."""


class GatheredRows:
    """The rows of one commit. Rows that wait are kept as a table, which takes a third of the memory.

    Args:
        maker: Makes the rows.
        most_rows: Rows after which nothing more should be added.
        most_bytes: Bytes after which nothing more should be added.
    """

    def __init__(self, maker: RowMaker, *, most_rows: int, most_bytes: int) -> None:
        self._maker = maker
        self._most = most_rows, most_bytes
        self._rows: list[tuple[object, ...]] = []
        self._tables: list[pa.Table] = []
        self._streams = NamedStreams()
        self.count = 0
        self.size = 0
        self.roster = ""

    @property
    def is_full(self) -> bool:
        """Whether the commit should end here."""
        rows, size = self._most
        return self.count >= rows or self.size >= size or self._streams.is_full

    @property
    def room(self) -> int:
        """Rows that may still be added."""
        return max(self._most[0] - self.count, 0)

    @property
    def streams(self) -> tuple[SealedStream, ...]:
        """The largest tree of each stream and key among the checkpoints."""
        return self._streams.largest()

    def add(self, record: RawRecord | DamagedRecord) -> None:
        """Add the row of a record; whatever it is, it becomes one."""
        row = self._maker.row_of(record)
        kind, value = row[_KIND], row[_VALUE]
        if kind == Kind.CHECKPOINT:
            self._streams.add(value)
        elif kind == Kind.ROSTER:
            self.roster = hashlib.sha256(value).hexdigest()
        self._rows.append(row)
        self.count += 1
        self.size += len(value or b"") + _ROW_BYTES
        if len(self._rows) >= _CHUNK_ROWS:
            self._fold()

    def table(self) -> pa.Table:
        """Return the rows as one table, in the order of the data files; what was gathered is given away."""
        self._fold()
        tables, self._tables = self._tables, []
        return merged_table(tables)

    def _fold(self) -> None:
        if self._rows:
            self._tables.append(table_of(self._rows))
            self._rows = []

"""Reads the rows of a share from the data files, row group by row group, and finds out which files cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from telemetry.archive.files.data_file import DataFile, open_data_file
from telemetry.archive.rows.columns import Kind
from telemetry.archive.verifying.share import Share, SharedFile
from telemetry.exceptions import ArchiveFileError, StorageNotFoundError
from telemetry.reader.seals.files import absent_file, judge_file, wrong_rows
from telemetry.reader.verify.shared.share_verifier import claimed_producer
from telemetry.reader.verify.verdicts import Finding, Verdict
from telemetry.storage import StorageProvider

BATCH_ROWS = 8_192
"""Rows that are in memory as records at a time."""


class RowCount(Protocol):
    """Counts rows that were read."""

    def advance(self, count: int = 1) -> None:
        """Count so many more."""


class ShareRows:
    """The rows of a share.

    Args:
        store: The archive's store.
        share: What is verified.
        columns: Columns to read.
        count: Counts the rows that were read.

    Attributes:
        findings: Files that cannot be read.
    """

    def __init__(self, store: StorageProvider, share: Share, *, columns: Sequence[str], count: RowCount) -> None:
        self._store = store
        self._share = share
        self._columns = list(columns)
        self._count = count
        self._producers = pa.array(sorted(share.producers), pa.string()) if share.producers is not None else None
        self.findings: list[Finding] = []

    def __iter__(self) -> Iterator[tuple[SharedFile, pa.RecordBatch]]:
        """Yield the rows of each file, in the order of the file."""
        for each in self._share.files:
            try:
                yield from ((each, batch) for batch in self._batches(each))
            except StorageNotFoundError:
                self.findings.append(absent_file(each.live))
            except ArchiveFileError as exc:
                reason = f"the data file cannot be read: {exc}"
                self.findings.append(Finding(Verdict.TAMPERED, reason, place=each.live.file.name))

    def _batches(self, each: SharedFile) -> Iterator[pa.RecordBatch]:
        with open_data_file(self._store, each.live.file.name) as file:
            if each.is_hashed:
                self.findings += [*judge_file(self._store, each.live), *wrong_rows(each.live, file.rows)]
            for group in range(file.groups) if each.groups is None else each.groups:
                for batch in file.batches(self._columns_of(file, group), groups=[group], rows=BATCH_ROWS):
                    self._count.advance(batch.num_rows)
                    ours = self._ours(batch, is_believed=each.is_believed)
                    if ours.num_rows:
                        yield ours

    def _columns_of(self, file: DataFile, group: int) -> list[str]:
        """Return the columns to read of a row group: the leaf hashes of events that have ended are in their row's value."""
        if not self._share.is_leaves_only:
            return self._columns
        kinds = file.read_group(group, ["kind"]).column("kind")
        return [*self._columns, "value"] if Kind.ENDED.value in kinds.unique().to_pylist() else self._columns

    def _ours(self, batch: pa.RecordBatch, *, is_believed: bool) -> pa.RecordBatch:
        """Return the rows of the share, without the ends of events that no trusted seal brought."""
        mask = self._is_wanted(batch) if self._producers is not None else None
        if not is_believed:
            # Of a row without a kind, nothing is known; that it ended is not.
            ends = _call(
                "coalesce", _call("equal", batch.column("kind"), pa.scalar(Kind.ENDED.value)), pa.scalar(value=False)
            )
            mask = _call("invert", ends) if mask is None else _call("and_not", mask, ends)
        return batch if mask is None or _call("all", mask).as_py() else batch.filter(mask)

    def _is_wanted(self, batch: pa.RecordBatch) -> pa.Array:
        producers, ours = batch.column("producer"), self._share.producers or frozenset()
        wanted = self._is_one_of(producers, self._producers)
        if self._share.has_rest:
            wanted = _call("or", wanted, _call("is_null", producers))
        # More rows than those of these places, which does no harm: a verifier takes no record of another producer.
        for name in ("offset", "line") if self._share.also else ():
            numbers = pa.array(sorted({place.offset for place in self._share.also}), pa.int64())
            wanted = _call("or", wanted, self._is_one_of(batch.column(name), numbers))
        if self._share.is_by_value:
            named = [claimed_producer(value) in ours for value in batch.column("value").to_pylist()]
            wanted = _call("or", wanted, pa.array(named, pa.bool_()))
        return wanted

    def _is_one_of(self, column: pa.Array, values: pa.Array | None) -> pa.Array:
        return _call("is_in", column, options=pc.SetLookupOptions(value_set=values))


def _call(name: str, *values: Any, options: Any = None) -> Any:
    """Return what a function of Arrow makes of columns; most of them exist at run time only."""
    return pc.call_function(name, list(values), options)

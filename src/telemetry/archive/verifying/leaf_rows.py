"""Verifies the leaf hashes that an archive has beside its values, so that the values need not be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from telemetry.archive.rows.columns import LEAF_BYTES, SCHEMA, Kind
from telemetry.archive.rows.records import RECORD_COLUMNS, ArchivedRecord, records_of
from telemetry.exceptions import MalformedRecordError
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import MAX_SEQUENCE, source_of
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.verify.shared.share_verifier import ShareVerifier
from telemetry.reader.verify.unproven.stream_name import UNKNOWN_SOURCE, StreamName

NARROW = tuple(name for name in RECORD_COLUMNS if name not in ("value", "key", "headers"))
LEAF_COLUMNS = (*NARROW, "checkpoint")
"""The columns that are read of a row group; of one with events that have ended, their values too."""

_OTHERS = pa.array([Kind.CHECKPOINT.value, Kind.ENDED.value, Kind.UNREADABLE.value])


_COLUMNS = (
    *("service", "environment", "producer", "sequence", "leaf"),
    *("topic", "partition", "offset", "object", "line", "redacted"),
)


class _Leaf(NamedTuple):
    """What is known of a record without its value, in the order of ``_COLUMNS``."""

    service: str | None
    environment: str | None
    producer: str | None
    sequence: int | None
    leaf: bytes | None
    topic: str | None
    partition: int | None
    offset: int | None
    store_object: str | None
    line: int | None
    is_redacted: bool


class LeafRows:
    """Gives a verifier leaf hashes and checkpoints.

    Checkpoints are verified as always; that the leaf hashes beside the values are theirs is not. Rosters and records without
    a place in a stream are passed over.

    Args:
        verifier: Gets them.
        name: Name of the archive, in the place of rows that came from a fallback store.
    """

    def __init__(self, verifier: ShareVerifier, *, name: str) -> None:
        self._verifier = verifier
        self._store_name = name
        # The stream of the row before: a sorted file has many rows of one in a row.
        self._last: tuple[str | None, str | None, str | None] = (None, None, None)
        self._name: StreamName | None = None

    def observe(self, batch: pa.RecordBatch) -> None:
        """Verify the rows of a batch with the columns of ``LEAF_COLUMNS``, and values where events have ended."""
        is_other = pc.call_function("is_in", [batch.column("kind")], pc.SetLookupOptions(value_set=_OTHERS))
        for record in self._others(batch.filter(is_other)):
            self._verifier.observe(record)
        rest = batch.filter(pc.call_function("invert", [is_other]))
        columns = [rest.column(name) for name in _COLUMNS[:-1]] + [rest.column("redacted").is_valid()]
        for fields in zip(*(column.to_pylist() for column in columns), strict=True):
            self._observe_leaf(_Leaf(*fields))

    def _others(self, batch: pa.RecordBatch) -> Iterator[ArchivedRecord]:
        """Return the records of rows whose values are known: a checkpoint has its value in a column of its own."""
        values = batch.column("checkpoint")
        if "value" in batch.schema.names:
            values = pc.call_function("coalesce", [values, batch.column("value")])
        known = {"value": values}
        columns = [
            known.get(name, batch.column(name) if name in NARROW else pa.nulls(len(batch), SCHEMA.field(name).type))
            for name in RECORD_COLUMNS
        ]
        return records_of(pa.RecordBatch.from_arrays(columns, names=list(RECORD_COLUMNS)), store_name=self._store_name)

    def _observe_leaf(self, fields: _Leaf) -> None:
        sequence, leaf = fields.sequence, fields.leaf
        if fields[:3] != self._last:
            self._last, self._name = fields[:3], _name_of(fields)
        if self._name is None or sequence is None:
            return
        if leaf is None or len(leaf) != LEAF_BYTES or not 0 <= sequence <= MAX_SEQUENCE:
            error = MalformedRecordError("a row of the archive has no leaf hash, or a sequence that no stream has")
            self._verifier.observe(
                DamagedRecord(self._place(fields), error, RawRecord(None, None, self._place(fields)))
            )
            return
        self._verifier.observe_leaf(self._name, sequence, leaf, self._place(fields), is_redacted=fields.is_redacted)

    def _place(self, fields: _Leaf) -> Place:
        if fields.topic is not None:
            return Place(fields.topic, fields.partition, fields.offset or 0)
        return Place(self._store_name, None, fields.line or 0, fields.store_object)


def _name_of(fields: _Leaf) -> StreamName | None:
    """Return the stream that a row names; None where it names no producer."""
    producer = fields.producer
    if producer is None or not is_uuid(producer):
        return None
    if fields.service is None or fields.environment is None:
        return StreamName(producer, UNKNOWN_SOURCE)
    return StreamName.of(producer, source_of(fields.environment, fields.service))

"""Compares what another engine added to the table with what it removed: which places are new, twice, or gone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pyarrow as pa

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.rows.columns import SCHEMA, Kind
from telemetry.archive.writing.named_streams import NamedStreams
from telemetry.storage import StorageProvider

pc: Any = import_module("pyarrow.compute")  # makes its functions when it is imported, unseen by type checkers

_PLACE = ("topic", "partition", "offset", "object", "line")
_NONE: dict[str, Any] = {"topic": "", "partition": -1, "offset": -1, "object": "", "line": -1}
"""Instead of nulls, which are equal to nothing."""


@dataclass(frozen=True, slots=True)
class NewPlaces:
    """What a snapshot changes.

    Attributes:
        offsets: First offset and the one after the last of the new places of each topic and partition.
        objects: Fallback objects with new lines.
        gone: Places that no file has any more.
        twice: Places that are added more than once.
    """

    offsets: dict[tuple[str, int], tuple[int, int]]
    objects: tuple[str, ...]
    gone: int
    twice: int


def new_places(store: StorageProvider, added: Iterable[str], removed: Iterable[str]) -> NewPlaces:
    """Return what the rows of some files have that those of others had not.

    Args:
        store: The archive's store.
        added: Names of files.
        removed: Names of the files that they replace; empty if none.

    Raises:
        StorageError: A file is absent, or the store did not answer.
        ArchiveFileError: A file is not one of an archive.
    """
    after, before = _places(store, added), _places(store, removed)
    keys = list(_PLACE)
    fresh = after.join(before, keys=keys, join_type="left anti")
    gone = before.join(after, keys=keys, join_type="left anti")
    counted = after.group_by(keys).aggregate([([], "count_all")])
    of_topic = fresh.filter(pc.field("offset") >= 0).group_by(["topic", "partition"])
    ranges = of_topic.aggregate([("offset", "min"), ("offset", "max")]).to_pylist()
    objects = fresh.filter(pc.field("object") != "").column("object")
    return NewPlaces(
        offsets={(each["topic"], each["partition"]): (each["offset_min"], each["offset_max"] + 1) for each in ranges},
        objects=tuple(sorted(pc.unique(objects).to_pylist())),
        gone=gone.num_rows,
        twice=after.num_rows - counted.num_rows,
    )


def streams_of(store: StorageProvider, added: Iterable[str]) -> NamedStreams:
    """Return the largest trees among the checkpoints of some files."""
    named = NamedStreams()
    for name in added:
        with open_data_file(store, name) as opened:
            for batch in opened.batches(["kind", "value"]):
                checkpoints = batch.filter(pc.field("kind") == str(Kind.CHECKPOINT)).column("value")
                for value in checkpoints.drop_null().to_pylist():
                    named.add(value)
    return named


def _places(store: StorageProvider, names: Iterable[str]) -> pa.Table:
    schema = pa.schema([SCHEMA.field(name) for name in _PLACE]).remove_metadata()
    found: list[pa.RecordBatch] = []
    for name in names:
        with open_data_file(store, name) as opened:
            found += [batch.cast(schema) for batch in opened.batches(_PLACE)]
    table = pa.Table.from_batches(found, schema=schema)
    filled = [pc.fill_null(table.column(name), _NONE[name]) for name in _PLACE]
    return pa.Table.from_arrays(filled, names=list(_PLACE))

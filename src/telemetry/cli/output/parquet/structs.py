"""Writes OCSF with its objects as structs, so that a query engine reads ``actor.user.uid`` as a column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

from telemetry.cli.output.parquet.row_groups import RowGroups
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import Schema
from telemetry.reader.mappings.arrow.ocsf_shape import OcsfShape
from telemetry.reader.mappings.ocsf import OcsfMapping


class OcsfParquetWriter:
    """A table of OCSF records of every class that the rules know.

    Args:
        target: The stream to write to; it need not be seekable.
        schema: OCSF with its rules.
        mapping: What converts the events.
    """

    def __init__(self, target: BinaryIO, schema: Schema, mapping: OcsfMapping) -> None:
        self._mapping = mapping
        self._shape = OcsfShape(schema, mapping, mapping.classes)
        self._groups = RowGroups(target, self._shape.arrow)

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`telemetry.reader.mappings.writers.EventWriter`."""
        self._groups.add(*self._shape.row(self._mapping(opened)))

    def close(self) -> None:
        """Write the last row group and the file's end."""
        self._groups.close()

    def remarks(self) -> Iterable[str]:
        """Return nothing: the format bounds no cell."""
        return ()

    def discard(self) -> None:
        """Write nothing more."""
        self._groups.discard()

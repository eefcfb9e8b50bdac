"""Keeps where the records of rows are: in their streams, in their source, and in the order of arrival."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from telemetry.explorer.index.store.columns import Column, Rows, taken_from
from telemetry.explorer.index.store.line import Line
from telemetry.reader.entry import Place

_NO_PARTITION = -1


class Positions:
    """Places and numbers of the rows of a segment.

    Args:
        sources: Topics, stores and files.
        names: Fallback objects.
        partitions: Partitions of topics.
        offsets: Offsets, or lines.
        sequences: Numbers in the streams of the producers.
        arrivals: Numbers in the order of arrival.
    """

    __slots__ = ("_names", "_offsets", "_partitions", "_sources", "arrivals", "sequences")

    def __init__(
        self,
        sources: Column | None = None,
        names: Column | None = None,
        *,
        partitions: array[int] | None = None,
        offsets: array[int] | None = None,
        sequences: array[int] | None = None,
        arrivals: array[int] | None = None,
    ) -> None:
        self._sources, self._names = sources or Column(), names or Column()
        self._partitions = array("q") if partitions is None else partitions
        self._offsets = array("Q") if offsets is None else offsets
        self.sequences = array("Q") if sequences is None else sequences
        self.arrivals = array("Q") if arrivals is None else arrivals

    def place(self, row: int) -> Place:
        """Return the place of a row's record."""
        partition = self._partitions[row]
        return Place(
            self._sources[row] or "",
            None if partition == _NO_PARTITION else partition,
            self._offsets[row],
            self._names[row],
        )

    @property
    def weight(self) -> int:
        """Characters of the names of sources and objects."""
        return self._sources.weight + self._names.weight

    def extended(self, lines: Sequence[Line]) -> Positions:
        """Return the positions with further rows at the end."""
        places = [line.place for line in lines]
        partitions = [_NO_PARTITION if place.partition is None else place.partition for place in places]
        return Positions(
            self._sources.extended(place.source for place in places),
            self._names.extended(place.name for place in places),
            partitions=self._partitions + array("q", partitions),
            offsets=self._offsets + array("Q", [place.offset for place in places]),
            sequences=self.sequences + array("Q", [line.sequence for line in lines]),
            arrivals=self.arrivals + array("Q", [line.arrival for line in lines]),
        )

    def taken(self, rows: Rows) -> Positions:
        """Return the positions of these rows alone, in this order."""
        return Positions(
            self._sources.taken(rows),
            self._names.taken(rows),
            partitions=taken_from(self._partitions, rows),
            offsets=taken_from(self._offsets, rows),
            sequences=taken_from(self.sequences, rows),
            arrivals=taken_from(self.arrivals, rows),
        )

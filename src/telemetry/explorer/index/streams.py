"""Finds the gaps in the streams of producers, apart by whether proven records show them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple

from telemetry.explorer.index.overview import Gap
from telemetry.explorer.index.store.columns import Rows, Value
from telemetry.explorer.index.store.segment import NO, PENDING, PROVEN, Segment
from telemetry.reader.entry import Proven

BELIEVED = (Proven.YES, Proven.NOT_JUDGED, Proven.PENDING, Proven.NO)
"""What is proven first: forged events push nothing out of a bounded list."""

Stream = tuple[Value, Value]
"""Service and producer."""
_Edges = dict[tuple[Stream, int], tuple[str, Proven]]
"""Time and worth of the records beside gaps, by stream and sequence."""


@dataclass(slots=True)
class _Numbers:
    """Sequences of a stream: those to go by, and those that records without a checkpoint only claim."""

    firm: list[int]
    claimed: list[int]


class _Absent(NamedTuple):
    """Sequences that are absent between two records; some between the first and the last of them may only be claimed."""

    first: int
    last: int
    missing: int
    before: int
    after: int
    is_firm: bool = False


@dataclass(frozen=True, slots=True)
class Gaps:
    """Gaps of all streams.

    Attributes:
        longest: Those between proven events first, and the longest first; bounded in number.
        total: How many there are.
        pending: How many of all are beside an event that nothing proves.
    """

    longest: list[Gap]
    total: int
    pending: int


class Streams:
    """Sequences of all streams.

    Args:
        is_from_start: Whether the beginnings of all streams should be there: nothing before them was left out.
    """

    def __init__(self, *, is_from_start: bool) -> None:
        self._is_from_start = is_from_start
        self._streams: defaultdict[Stream, _Numbers] = defaultdict(lambda: _Numbers([], []))
        self._firm: list[tuple[Segment, Rows]] = []
        self._claimed: list[tuple[Segment, Rows]] = []

    def add(self, segment: Segment, rows: Rows) -> None:
        """Add rows of a segment; what a trusted key has refuted fills no gap."""
        # A copy: what is judged meanwhile would be neither of the two.
        proven = bytes(segment.proven)
        firm, claimed = rows, []
        if NO in proven or PENDING in proven:
            firm = [row for row in rows if proven[row] not in (NO, PENDING)]
            claimed = [row for row in rows if proven[row] == PENDING]
        self._firm.append((segment, firm))
        for stream, known in _sequences(segment, firm):
            self._streams[stream].firm += known
        if claimed:
            self._claimed.append((segment, claimed))
            for stream, known in _sequences(segment, claimed):
                self._streams[stream].claimed += known

    def gaps(self, most: int) -> Gaps:
        """Return the gaps of all streams.

        Args:
            most: Gaps that are named.
        """
        absent = [(stream, each) for stream, numbers in self._streams.items() for each in self._absent(numbers)]
        shown = nlargest(most, absent, key=lambda found: (found[1].is_firm, found[1].missing))
        edges = self._edges(shown)
        return Gaps(
            longest=[_gap(stream, each, edges) for stream, each in shown],
            total=len(absent),
            pending=sum(not each.is_firm for _, each in absent),
        )

    def _absent(self, numbers: _Numbers) -> list[_Absent]:
        """Return what is absent from a stream.

        Between two proven records it is one range: what others claim to be between them makes no further gaps.
        """
        firm = set(numbers.firm)
        known = firm.union(numbers.claimed)
        expected = 0 if self._is_from_start else min(known)
        if len(known) == max(known) - expected + 1:
            return []
        absent: list[_Absent] = []
        pieces: list[tuple[int, int]] = []
        before: int | None = -1 if self._is_from_start else None
        for sequence in sorted(known):
            if sequence > expected:
                pieces.append((expected, sequence - 1))
            expected = sequence + 1
            if sequence not in firm:
                continue
            if before is None:
                absent += map(_single, pieces)
            elif pieces:
                missing = sum(last - first + 1 for first, last in pieces)
                absent.append(_Absent(pieces[0][0], pieces[-1][1], missing, before, sequence, is_firm=True))
            pieces, before = [], sequence
        return [*absent, *map(_single, pieces)]

    def _edges(self, shown: list[tuple[Stream, _Absent]]) -> _Edges:
        if not shown:
            return {}
        wanted: defaultdict[Stream, set[int]] = defaultdict(set)
        for stream, each in shown:
            wanted[stream] |= {each.before, each.after}
        edges: _Edges = {}
        # Of several records with one sequence, one to go by.
        for segment, rows in (*self._firm, *self._claimed):
            columns = segment.columns
            streams = zip(columns["service"].among(rows), columns["producer"].among(rows), strict=True)
            for stream, row in zip(streams, rows, strict=True):
                sequence = segment.positions.sequences[row]
                if sequence in wanted.get(stream, ()):
                    edges.setdefault((stream, sequence), (segment.keys.time(row), PROVEN[segment.proven[row]]))
        return edges


def _gap(stream: Stream, absent: _Absent, edges: _Edges) -> Gap:
    after, worth = edges[stream, absent.after]
    before, worth_before = edges.get((stream, absent.before), (None, worth))
    return Gap(
        service=stream[0] or "",
        producer=stream[1] or "",
        first=absent.first,
        last=absent.last,
        missing=absent.missing,
        before=before,
        after=after,
        proven=max(worth, worth_before, key=BELIEVED.index),
    )


def _single(piece: tuple[int, int]) -> _Absent:
    first, last = piece
    return _Absent(first, last, last - first + 1, first - 1, last + 1)


def _sequences(segment: Segment, rows: Sequence[int]) -> Iterator[tuple[Stream, list[int]]]:
    """Yield the sequences of some rows, by stream."""
    services, producers = segment.columns["service"], segment.columns["producer"]
    numbers: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    sequences = map(segment.positions.sequences.__getitem__, rows)
    for stream, sequence in zip(zip(services.codes(rows), producers.codes(rows), strict=True), sequences, strict=True):
        numbers[stream].append(sequence)
    for (service, producer), known in numbers.items():
        yield (services.value(service), producers.value(producer)), known

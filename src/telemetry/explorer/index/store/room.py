"""Says which rows give way when the index is full: what nothing proves first, so that forged records push nothing out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from telemetry.explorer.index.store.columns import Rows
from telemetry.explorer.index.store.line import FOREIGN
from telemetry.explorer.index.store.segment import NO, PENDING, Segment

_SHARE_OF_FOREIGN = 20
_SHARE_OF_UNPROVEN = 4
_SLACK, _SLACK_OF_FOREIGN = 20, 4
"""Part of the room that is made free at once, so that not every new row costs a search for the oldest one."""

_IS_FOREIGN = bytes(bool(flags & FOREIGN) for flags in range(256))


@dataclass(frozen=True, slots=True)
class Room:
    """A number of rows, and bytes of memory.

    Attributes:
        rows: Number of rows.
        weight: Bytes of memory, about.
    """

    rows: int
    weight: int

    def part(self, divisor: int) -> Room:
        """Return a part of it."""
        return Room(self.rows // divisor, self.weight // divisor)

    def plus(self, other: Room) -> Room:
        """Return the room of both."""
        return Room(self.rows + other.rows, self.weight + other.weight)

    def less(self, other: Room) -> Room:
        """Return what is left of it without another one."""
        return Room(self.rows - other.rows, self.weight - other.weight)

    def has(self, other: Room) -> bool:
        """Return whether another one fits into it."""
        return other.rows <= self.rows and other.weight <= self.weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What gave way.

    Attributes:
        segments: Those that remain.
        rows: How many rows gave way.
        is_by_time: Whether the oldest ones did, in the order of time.
    """

    segments: Sequence[Segment]
    rows: int = 0
    is_by_time: bool = False


def room_of(segments: Iterable[Segment]) -> Room:
    """Return the room that segments take."""
    rows = weight = 0
    for segment in segments:
        rows += len(segment)
        weight += segment.weight
    return Room(rows, weight)


def foreign_in(segment: Segment) -> Rows:
    """Return the foreign rows of a segment."""
    marks = segment.flags.translate(_IS_FOREIGN)
    return [row for row, mark in enumerate(marks) if mark] if 1 in marks else ()


def without_foreign(segments: Sequence[Segment], room: Room) -> Given:
    """Let the foreign rows that arrived first give way, until the others are a small part of the room."""
    share = room.part(_SHARE_OF_FOREIGN)
    taken = Room(0, 0)
    for segment in segments:
        rows = foreign_in(segment)
        taken = taken.plus(Room(len(rows), sum(map(segment.weigh, rows))))
    if share.has(taken):
        return Given(segments=segments)
    return _without_oldest(segments, foreign_in, share.less(share.part(_SLACK_OF_FOREIGN)), enough=None)


def without_unproven(segments: Sequence[Segment], room: Room) -> Given:
    """Let rows that nothing proves give way, the first to arrive first, as far as they take more than their part."""
    excess = room_of(segments).less(room.less(room.part(_SLACK)))
    return _without_oldest(segments, _unproven_in, room.part(_SHARE_OF_UNPROVEN), enough=excess)


def without_oldest(segments: Sequence[Segment], room: Room) -> Given:
    """Let the oldest rows give way, in the order of time."""
    wanted = room.less(room.part(_SLACK))
    taken = room_of(segments)
    kept = list(segments)
    gone = 0
    while kept and not wanted.has(taken):
        first = kept.pop(0)
        excess = _excess_rows(first, taken.less(wanted))
        rest = first.taken(range(excess, len(first))) if excess < len(first) else Segment()
        if len(rest):
            kept.insert(0, rest)
        gone += len(first) - len(rest)
        taken = taken.less(Room(len(first) - len(rest), first.weight - rest.weight))
    return Given(segments=kept, rows=gone, is_by_time=True)


def _excess_rows(segment: Segment, excess: Room) -> int:
    """Return how many rows at the beginning of a segment have to go, at least one."""
    count = weight = 0
    while count < len(segment) and (count < max(excess.rows, 1) or weight < excess.weight):
        weight += segment.weigh(count)
        count += 1
    return count


def _unproven_in(segment: Segment) -> Rows:
    if PENDING not in segment.proven and NO not in segment.proven:
        return ()
    foreign = set(foreign_in(segment))
    return [row for row, proven in enumerate(segment.proven) if proven in (PENDING, NO) and row not in foreign]


def _without_oldest(
    segments: Sequence[Segment], chosen_in: Callable[[Segment], Rows], room: Room, *, enough: Room | None
) -> Given:
    """Remove chosen rows, the first to arrive first, until the others fit into their room, or enough is free."""
    chosen = {id(segment): chosen_in(segment) for segment in segments}
    arrivals = sorted(
        (segment.positions.arrivals[row], segment.weigh(row)) for segment in segments for row in chosen[id(segment)]
    )
    left = Room(len(arrivals), sum(weight for _, weight in arrivals))
    last, gone = -1, 0
    for arrival, weight in arrivals:
        if room.has(left) or (enough is not None and enough.rows <= gone and enough.weight <= 0):
            break
        last, gone = arrival, gone + 1
        left = left.less(Room(1, weight))
        enough = enough and enough.less(Room(0, weight))
    if not gone:
        return Given(segments=segments)
    kept = [_without(segment, chosen[id(segment)], last) for segment in segments]
    return Given(segments=[segment for segment in kept if len(segment)], rows=gone)


def _without(segment: Segment, chosen: Rows, last: int) -> Segment:
    gone = {row for row in chosen if segment.positions.arrivals[row] <= last}
    return segment.taken([row for row in segment.rows if row not in gone]) if gone else segment

"""Keeps all rows in segments, in order; recognizes copies, and lets rows give way when it is full."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from telemetry.explorer.index.store.line import COLUMNS, FOREIGN, Key, Line
from telemetry.explorer.index.store.room import (
    Given,
    Room,
    foreign_in,
    room_of,
    without_foreign,
    without_oldest,
    without_unproven,
)
from telemetry.explorer.index.store.segment import Segment
from telemetry.reader.entry import Proven

SEGMENT_ROWS = 4_096
_VIA = COLUMNS.index("via")
MAX_COPIED = 100_000
"""Records of which copies are counted one by one."""


class Shelf:
    """The rows. One thread at a time changes them; others read the segments of a moment, which do not change.

    Args:
        room: Rows and bytes that fit.

    Attributes:
        segments: The segments, in order; replaced as a whole.
        copies: How many further records with the same bytes there were, by leaf hash.
        copied: How many there were of all.
        left_out: How many rows found no room.
        foreign_left_out: How many foreign rows found no room.
        cut: Key of the oldest row that was kept when older ones gave way; None if none did.
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._foreign = 0
        self.segments: tuple[Segment, ...] = ()
        self.copies: dict[bytes, int] = {}
        self.copied = 0
        self.left_out = self.foreign_left_out = 0
        self.cut: Key | None = None

    def begin_again(self) -> None:
        """Forget what was counted, for records that are read once more."""
        self.copies.clear()
        self.copied = 0
        self.left_out = self.foreign_left_out = 0

    def add(self, lines: Sequence[Line]) -> None:
        """Add rows; one with a record that is there already counts as a copy.

        1. The order of keys is the order of rows.
        2. What is older than all that found room finds none.
        3. Rows go where their keys belong.
        4. Some give way.
        """
        # 1.
        ordered = sorted(lines, key=_key_of)
        # 2.
        if self.cut is not None:
            cut = self.cut
            kept = [line for line in ordered if line.key >= cut or line.flags & FOREIGN]
            self.left_out += len(ordered) - len(kept)
            ordered = kept
        # 3. From the end, so that the numbers of the segments before stay what they are.
        segments = self.segments
        unknown = [(_segment_of(segments, line.key), line) for line in self._unknown(ordered)]
        for at, group in groupby(reversed(unknown), key=itemgetter(0)):
            self._put(at, [line for _, line in group][::-1])
        # 4.
        self._foreign += sum(bool(line.flags & FOREIGN) for _, line in unknown)
        self._give_way(has_foreign=any(line.flags & FOREIGN for _, line in unknown))

    def judge(self, judged: Callable[[str, str, int, bytes], tuple[Proven, str | None]]) -> int:
        """Judge the rows again that nothing has proven yet; return how many are judged now."""
        settled = sum(segment.judge(judged) for segment in self.segments)
        if settled:
            self._count_foreign()
            # Other segments in name only: what was found in them by what they were worth is no longer true.
            self.segments = (*self.segments[:-1], self.segments[-1])
        return settled

    def find(self, key: Key) -> tuple[Segment, int] | None:
        """Return the segment and the row with a key; None if there is none."""
        return _find(self.segments, key)

    def _unknown(self, lines: Sequence[Line]) -> Iterator[Line]:
        """Yield the lines whose records are not there yet, one of each."""
        newest = self.segments[-1].keys[len(self.segments[-1]) - 1] if self.segments else None
        before: Key | None = None
        for line in lines:
            key = line.key
            if key == before:
                self._count_copy(line)
                continue
            before = key
            known = self.find(key) if newest is not None and key <= newest else None
            if known is None:
                yield line
                continue
            segment, row = known
            if segment.positions.place(row) != line.place:
                self._count_copy(line)
            segment.settle(row, line.proven, via=line.values[_VIA])

    def _count_copy(self, line: Line) -> None:
        self.copied += 1
        if line.leaf in self.copies or len(self.copies) < MAX_COPIED:
            self.copies[line.leaf] = self.copies.get(line.leaf, 0) + 1

    def _put(self, at: int, lines: list[Line]) -> None:
        """Add rows to a segment: those after all others at the end, without touching what is there."""
        segments = list(self.segments)
        if at < len(segments) - 1:
            segments[at : at + 1] = _divided(segments[at].extended(lines).in_order())
        elif not segments:
            segments = _appended(Segment(), lines)
        else:
            newest = segments[-1].keys[len(segments[-1]) - 1]
            between = [line for line in lines if line.key < newest]
            if between:
                segments[-1:] = _divided(segments[-1].extended(between).in_order())
            if len(between) < len(lines):
                segments[-1:] = _appended(segments[-1], lines[len(between) :])
        self.segments = tuple(segments)

    def _give_way(self, *, has_foreign: bool) -> None:
        """Let rows give way: foreign ones beyond their room, then what nothing proves, then the oldest."""
        if has_foreign:
            given = without_foreign(self.segments, self._room)
            self.foreign_left_out += given.rows
            self._keep(given)
        for rule in (without_unproven, without_oldest):
            if self._room.has(room_of(self.segments)):
                return
            given = rule(self.segments, self._room)
            self.left_out += given.rows
            self._keep(given)
            if given.is_by_time and given.rows and self.segments:
                self.cut = self.segments[0].keys[0]

    def _keep(self, given: Given) -> None:
        if given.rows:
            self.segments = tuple(given.segments)
            self._count_foreign()

    def _count_foreign(self) -> None:
        self._foreign = sum(len(foreign_in(segment)) for segment in self.segments)


def _appended(last: Segment, lines: list[Line]) -> list[Segment]:
    """Return the last segment with later rows, and those that follow it."""
    room = max(0, SEGMENT_ROWS - len(last))
    segments = [last.extended(lines[:room])] if room else [last]
    if len(segments[0]) >= SEGMENT_ROWS:
        segments[0] = segments[0].repacked()
    starts = range(room, len(lines), SEGMENT_ROWS)
    return segments + [Segment().extended(lines[start : start + SEGMENT_ROWS]) for start in starts]


def _divided(segment: Segment) -> list[Segment]:
    if len(segment) <= SEGMENT_ROWS:
        return [segment]
    half = SEGMENT_ROWS // 2
    return [segment.taken(segment.rows[start : start + half]).repacked() for start in range(0, len(segment), half)]


def _key_of(line: Line) -> Key:
    return line.key


def _segment_of(segments: Sequence[Segment], key: Key) -> int:
    return max(0, bisect_right(segments, key, key=lambda segment: segment.keys[0]) - 1)


def _find(segments: Sequence[Segment], key: Key) -> tuple[Segment, int] | None:
    if not segments:
        return None
    segment = segments[_segment_of(segments, key)]
    row = segment.keys.row_of(key)
    return None if row is None else (segment, row)

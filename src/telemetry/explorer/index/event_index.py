"""Holds the events of the trail in memory, bounded, and answers searches while it is filled."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import Literal

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.index.cursor import parse_cursor
from telemetry.explorer.index.find.page import around, counts_of, page_of
from telemetry.explorer.index.find.sieve import Patience, Selection, Sieve
from telemetry.explorer.index.found import Counts, Found
from telemetry.explorer.index.overview import Damage, Overview
from telemetry.explorer.index.progress import FillProgress
from telemetry.explorer.index.row import IndexedEvent, Row
from telemetry.explorer.index.search import Search
from telemetry.explorer.index.state import IndexState
from telemetry.explorer.index.store.bodies import BodyReader
from telemetry.explorer.index.store.line import FOREIGN, Line, LineMaker, id_bytes_of
from telemetry.explorer.index.store.room import Room
from telemetry.explorer.index.store.segment import PROVEN, Segment
from telemetry.explorer.index.store.shelf import Shelf
from telemetry.explorer.index.survey import LOOKS, READ, Survey
from telemetry.format.uuid7 import is_uuid
from telemetry.reader.entry import DamagedRecord, Entry, OpenedEvent, Proven, SealedEntry
from telemetry.reader.filters import EventFilter

MAX_EVENTS = 500_000
MAX_BYTES = 400 << 20
"""Memory of the events, about; other parts of the process come on top."""
PATIENCE_SECONDS = 1.0
MAX_PAGE = 1_000
MAX_CLAIMS = 50
"""Records shown that claim one id."""
MAX_CLAIMED_BYTES = 1 << 20
"""Bytes of JSON that are opened for one id; of objects it can be many times as much. The first record is opened however large it is."""

_MAX_DAMAGED = 200
_MAX_REASON = 512
_REMEMBERED = 4
"""Searches of which all rows are remembered: a page, its counts and the next page are one search."""

_Remembered = tuple[Search, bool]


class EventIndex:
    """The events of the trail, in memory; gone with the process.

    One thread adds events, any number of others ask at the same time. What a person may see is not decided here, but
    ``with_content`` of each question says it: without content, no answer tells anything of what is inside the seals.

    Args:
        most: Most events, foreign ones included; 1 or more. With more, those that nothing proves give way first, as far as
            they take more than a quarter of the room, and then the oldest.
        most_bytes: Most bytes of memory for them, about.
        patience: Processor seconds after which a search ends with what it has found.
    """

    def __init__(
        self, *, most: int = MAX_EVENTS, most_bytes: int = MAX_BYTES, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._patience = patience
        self._shelf = Shelf(Room(most, most_bytes))
        self._maker = LineMaker()
        # Held by the thread that writes; those who ask take the segments of a moment and need no lock.
        self._writing = threading.Lock()
        self._arrivals = 0
        self._damaged: deque[Damage] = deque(maxlen=_MAX_DAMAGED)
        self._damaged_count = self._foreign_damaged = 0
        self._remembering = threading.Lock()
        self._remembered: OrderedDict[_Remembered, tuple[Sequence[Segment], Selection]] = OrderedDict()
        self._overviews: dict[tuple[bool, bool], tuple[Sequence[Segment], Overview]] = {}
        self.progress = FillProgress()

    def begin_pass(self) -> None:
        """Note that the sources are read from their beginning: what is read again is not counted twice."""
        with self._writing:
            self._shelf.begin_again()
            self._damaged.clear()
            self._damaged_count = self._foreign_damaged = 0

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries of the trail; only events become rows, and of damaged records the last ones are kept apart."""
        with self._writing:
            self._shelf.add([line for entry in entries if (line := self._line(entry)) is not None])
            self._forget_searches()

    def judge(self, judged: Callable[[str, str, int, bytes], tuple[Proven, str | None]]) -> int:
        """Judge the events again that nothing has proven yet.

        Args:
            judged: Returns, for producer, service, sequence and leaf hash, whether the record is proven, and the gateway.

        Returns:
            How many are judged now.
        """
        with self._writing:
            settled = self._shelf.judge(judged)
            if settled:
                self._forget_searches()
            return settled

    def search(self, search: Search, *, with_content: bool, after: str | None = None, limit: int = 100) -> Found:
        """Return a page of the rows that a search finds.

        Args:
            search: The search.
            with_content: Whether the person may see content.
            after: Cursor of the page before, ``Found.next``; None for the first page.
            limit: Most rows, 1 to ``MAX_PAGE``.

        Raises:
            ConfigurationError: The cursor is not one, or the search needs content that the person may not see.
        """
        key = parse_cursor(after) if after is not None else None
        selection = self._select(search, with_content=with_content)
        return page_of(
            selection,
            after=key,
            limit=max(1, min(limit, MAX_PAGE)),
            newest_first=search.newest_first,
            with_content=with_content,
        )

    def counts(self, search: Search, *, with_content: bool, most: int = 10) -> Counts:
        """Return what the rows that a search finds have in common.

        Args:
            search: The search.
            with_content: Whether the person may see content.
            most: Values of each field that are named.

        Raises:
            ConfigurationError: The search needs content that the person may not see.
        """
        return counts_of(self._select(search, with_content=with_content), most=most, with_content=with_content)

    def event(self, event_id: str, *, with_content: bool, most: int = MAX_CLAIMS) -> list[IndexedEvent]:
        """Return the records that claim an id, proven ones first; none for a text that no record has as its id.

        Where their events together have more than ``MAX_CLAIMED_BYTES``, those that come last are left out of their records.

        Args:
            event_id: The id.
            with_content: Whether the person may see content.
            most: Most records; :meth:`claims` says how many there are.
        """
        reader, room = BodyReader(), MAX_CLAIMED_BYTES
        found: list[IndexedEvent] = []
        for segment, row in nsmallest(most, self._claims(event_id), key=lambda place: _standing(*place)):
            body = segment.contents.body(row) if with_content else None
            if body is not None and room > 0:
                room -= len(reader.json(body))
            is_left_out = body is not None and room <= 0 and bool(found)
            indexed = self._indexed(segment, row, reader, with_content=with_content, is_left_out=is_left_out)
            found.append(indexed)
        return found

    def claims(self, event_id: str) -> int:
        """Return how many records claim an id.

        Args:
            event_id: The id.
        """
        return sum(1 for _ in self._claims(event_id))

    def events(self, rows: Iterable[Row], *, with_content: bool) -> Iterator[IndexedEvent]:
        """Yield the events of some rows, such as those of a page; a row that gave way meanwhile has none.

        One at a time: an event can take a hundred megabytes of objects, and a thousandth of that here.

        Args:
            rows: The rows.
            with_content: Whether the person may see content.
        """
        reader = BodyReader()
        for row in rows:
            place = self._shelf.find((row.time, id_bytes_of(row.event_id), row.leaf))
            if place is None:
                yield IndexedEvent(row if with_content else row.without_content(), None)
            else:
                yield self._indexed(*place, reader, with_content=with_content)

    def neighbours(
        self, row: Row, *, by: Literal["session_id", "correlation_id"], with_content: bool, limit: int = 50
    ) -> Found:
        """Return the events of the same session or request, around one of them and in the order of time.

        Args:
            row: The one.
            by: What they have in common with it.
            with_content: Whether the person may see content; otherwise there are none.
            limit: Most rows, 1 to ``MAX_PAGE``.
        """
        value = getattr(row.content, by) if row.content is not None else None
        if not value or not with_content:
            return Found(rows=[], total=0)
        values = frozenset((value,))
        try:
            wanted = EventFilter(sessions=values) if by == "session_id" else EventFilter(correlations=values)
        except ConfigurationError:
            # A value that is too long to search for.
            return Found(rows=[], total=0)
        selection = self._select(Search(wanted=wanted, newest_first=False), with_content=with_content)
        key = (row.time, id_bytes_of(row.event_id), row.leaf)
        return around(selection, key, limit=max(1, min(limit, MAX_PAGE)), with_content=with_content)

    def access_log(self, *, with_content: bool, after: str | None = None, limit: int = 100) -> Found:
        """Return who read the trail, the newest first; without content only that somebody did.

        Args:
            with_content: Whether the person may see content.
            after: Cursor of the page before.
            limit: Most rows, 1 to ``MAX_PAGE``.

        Raises:
            ConfigurationError: The cursor is not one.
        """
        search = Search(wanted=EventFilter(types=(READ, *LOOKS)))
        return self.search(search, with_content=with_content, after=after, limit=limit)

    def overview(self, *, with_content: bool) -> Overview:
        """Return the trail at a glance.

        Args:
            with_content: Whether who read may be told.
        """
        shelf, segments = self._shelf, self._shelf.segments
        damaged = list(self._damaged)
        is_whole = shelf.cut is None and not shelf.left_out and not self.progress.is_from_middle
        name = with_content, is_whole
        with self._remembering:
            known = self._overviews.get(name)
        if known is not None and known[0] is segments:
            return replace(known[1], damaged=damaged)
        overview = Survey(segments, is_from_start=is_whole, with_content=with_content).overview(damaged)
        with self._remembering:
            self._overviews[name] = segments, overview
        return overview

    @property
    def state(self) -> IndexState:
        """How far the index is filled, and what is not in it."""
        shelf = self._shelf
        return replace(
            self.progress.state,
            indexed=sum(map(len, shelf.segments)),
            is_cut=shelf.cut is not None or shelf.left_out > 0,
            cut_before=None if shelf.cut is None else shelf.cut[0],
            left_out=shelf.left_out,
            foreign_left_out=shelf.foreign_left_out,
            damaged=self._damaged_count,
            foreign_damaged=self._foreign_damaged,
            copies=shelf.copied,
        )

    def _line(self, entry: Entry) -> Line | None:
        if isinstance(entry, DamagedRecord):
            self._add_damaged(entry)
        if not isinstance(entry, (OpenedEvent, SealedEntry)):
            return None
        self._arrivals += 1
        return self._maker.line(entry, arrival=self._arrivals)

    def _add_damaged(self, entry: DamagedRecord) -> None:
        self._damaged_count += not entry.is_foreign
        self._foreign_damaged += entry.is_foreign
        reason = str(entry.error)[:_MAX_REASON]
        damage = Damage(place=entry.place, reason=reason, kind=type(entry.error).__name__, is_foreign=entry.is_foreign)
        self._damaged.append(damage)

    def _select(self, search: Search, *, with_content: bool) -> Selection:
        if search.needs_content and not with_content:
            problem = Problem(
                "search", "looks into events, which stay sealed for you", "search by time, type or service"
            )
            raise ConfigurationError(problem)
        segments = self._shelf.segments
        name = search, with_content
        with self._remembering:
            known = self._remembered.get(name)
        if known is not None and known[0] is segments:
            return known[1]
        selection = Sieve(search, with_content=with_content).select(segments, Patience(self._patience))
        with self._remembering:
            self._remembered[name] = segments, selection
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return selection

    def _forget_searches(self) -> None:
        with self._remembering:
            self._remembered.clear()
            self._overviews.clear()

    def _claims(self, event_id: str) -> Iterator[tuple[Segment, int]]:
        wanted = id_bytes_of(event_id)
        for segment in self._shelf.segments:
            for row in segment.keys.rows_with_id(wanted):
                if is_uuid(event_id) or segment.keys.event_id(row) == event_id:
                    yield segment, row

    def _indexed(
        self, segment: Segment, row: int, reader: BodyReader, *, with_content: bool, is_left_out: bool = False
    ) -> IndexedEvent:
        shown = segment.row(row)
        copies = self._shelf.copies.get(shown.leaf, 0)
        body = segment.contents.body(row)
        if not with_content:
            return IndexedEvent(shown.without_content(), None, copies)
        if is_left_out:
            return IndexedEvent(shown, None, copies, is_left_out=True)
        return IndexedEvent(shown, None if body is None else reader.event(body), copies)


def _standing(segment: Segment, row: int) -> tuple[int, int]:
    """Return what sorts the records that claim one id: what is proven comes first, and what is refuted last."""
    order = (Proven.YES, Proven.NOT_JUDGED, Proven.PENDING, Proven.NO)
    is_foreign = bool(segment.flags[row] & FOREIGN)
    return order.index(PROVEN[segment.proven[row]]) + len(order) * is_foreign, segment.positions.arrivals[row]

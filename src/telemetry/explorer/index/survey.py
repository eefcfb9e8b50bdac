"""Looks over the whole index: which services logged when, what is absent, and who read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from telemetry.explorer.index.found import busiest_days
from telemetry.explorer.index.overview import Damage, Outage, Overview, Reader, ServiceLife
from telemetry.explorer.index.store.columns import Rows
from telemetry.explorer.index.store.line import FOREIGN, SEALED
from telemetry.explorer.index.store.segment import NO, PENDING, PROVEN, Segment
from telemetry.explorer.index.streams import BELIEVED, Stream, Streams
from telemetry.reader.entry import Proven
from telemetry.reader.trust.policy import READER_SERVICE, service_of

READ = "telemetry.read"
LOOKS = ("telemetry.searched", "telemetry.viewed", "telemetry.exported")
"""What the explorer records of a person after the read itself."""

MOST_SERVICES = 200
MOST_GAPS = 200
MOST_OUTAGES = 200
MOST_READERS = 200
_ENTERED, _LEFT, _STOPPED = "telemetry.fallback_entered", "telemetry.fallback_left", "telemetry.stopped"
_MARKS = (_ENTERED, _LEFT, _STOPPED)

_Mark = tuple[str, str, str, str, str, Proven, bool]
"""Time, service, producer, type, event id, whether it is proven, whether it was sealed."""


@dataclass(slots=True)
class _Service:
    days: Counter[str | None] = field(default_factory=Counter)
    producers: set[str] = field(default_factory=set)
    first: str = ""
    last: str = ""
    unproven: int = 0
    refuted: int = 0


class Survey:
    """What is seen in the segments of a moment.

    Args:
        segments: The segments, in the order of time.
        is_from_start: Whether the beginnings of all streams should be there: nothing before them was left out.
        with_content: Whether who read may be told.
    """

    def __init__(self, segments: Sequence[Segment], *, is_from_start: bool, with_content: bool) -> None:
        self._with_content = with_content
        self._events: Counter[str] = Counter()
        self._doubtful: Counter[str] = Counter()
        self._days: Counter[str | None] = Counter()
        self._kept: list[tuple[Segment, Rows]] = []
        self._streams = Streams(is_from_start=is_from_start)
        self._verdicts: Counter[int] = Counter()
        self._marks: list[_Mark] = []
        self._readers: dict[tuple[str, Proven, bool, bool], Reader] = {}
        self._clear = self._foreign = 0
        for segment in segments:
            self._add(segment)

    def overview(self, damaged: list[Damage]) -> Overview:
        """Return the overview.

        Args:
            damaged: Damaged records, which are no rows.
        """
        lives = self._lives()
        gaps = self._streams.gaps(MOST_GAPS)
        return Overview(
            events=self._events.total(),
            first=_time(self._kept[0], 0) if self._kept else None,
            last=_time(self._kept[-1], -1) if self._kept else None,
            days=busiest_days(self._days),
            services=lives,
            more_services=len(self._events) - len(lives),
            gaps=gaps.longest,
            more_gaps=gaps.total - len(gaps.longest),
            pending_gaps=gaps.pending,
            outages=nlargest(MOST_OUTAGES, self._outages(), key=lambda outage: (*_worth(outage), outage.began)),
            readers=nlargest(MOST_READERS, self._readers.values(), key=_worth_of_reader),
            proven=self._verdicts[PROVEN.index(Proven.YES)],
            pending=self._verdicts[PROVEN.index(Proven.PENDING)],
            refuted=self._verdicts[NO],
            not_judged=self._verdicts[PROVEN.index(Proven.NOT_JUDGED)],
            clear=self._clear,
            foreign=self._foreign,
            damaged=damaged,
        )

    def _add(self, segment: Segment) -> None:
        rows = segment.flagged(FOREIGN, segment.rows, wanted=False)
        self._foreign += len(segment) - len(rows)
        self._clear += len(rows) - len(segment.flagged(SEALED, rows))
        self._verdicts.update(map(segment.proven.__getitem__, rows))
        self._days.update(segment.columns["day"].count(rows))
        self._count_services(segment, rows)
        if rows:
            self._kept.append((segment, rows))
        self._streams.add(segment, rows)
        self._add_marks(segment, rows)
        if self._with_content:
            self._add_readers(segment, rows)

    def _count_services(self, segment: Segment, rows: Rows) -> None:
        proven, services = segment.proven, segment.columns["service"]
        for service, count in services.count(rows).items():
            self._events[service or ""] += count
        if PENDING in proven or NO in proven:
            for service, count in services.count([row for row in rows if proven[row] in (PENDING, NO)]).items():
                self._doubtful[service or ""] += count

    def _lives(self) -> list[ServiceLife]:
        """Return the services that are shown; the others cost no more than their count, however many there are."""
        events, doubtful = self._events, self._doubtful
        # What is proven first: forged services push no other out.
        names = nlargest(MOST_SERVICES, events, key=lambda name: (events[name] - doubtful[name], events[name]))
        shown = {name: _Service() for name in sorted(names)}
        wanted = {*shown, None} if "" in shown else set(shown)
        for segment, rows in self._kept:
            if kept := segment.columns["service"].having(wanted, rows):
                _add_lives(shown, segment, kept)
        return [self._life(name, service) for name, service in shown.items()]

    def _add_marks(self, segment: Segment, rows: Rows) -> None:
        kinds = segment.columns["type" if self._with_content else "clear_type"]
        for row in kinds.having(_MARKS, rows):
            if segment.proven[row] == NO:
                continue  # a trusted key has signed another event in its place
            stream = segment.columns["service"][row] or "", segment.columns["producer"][row] or ""
            what = kinds[row] or "", segment.keys.event_id(row)
            self._marks.append((segment.keys.time(row), *stream, *what, *_standing(segment, row)))

    def _add_readers(self, segment: Segment, rows: Rows) -> None:
        kinds, users, services = (segment.columns[name] for name in ("type", "user", "service"))
        for row in kinds.having((READ, *LOOKS), rows):
            name, is_read = users[row] or "", kinds[row] == READ
            proven, is_sealed = _standing(segment, row)
            # Only the keys of readers sign the stream of readers.
            is_of_reader = service_of(services[row] or "") == READER_SERVICE
            before = self._readers.get((name, proven, is_sealed, is_of_reader))
            self._readers[name, proven, is_sealed, is_of_reader] = Reader(
                name=name,
                proven=proven,
                is_sealed=is_sealed,
                is_of_reader=is_of_reader,
                reads=(before.reads if before else 0) + is_read,
                looks=(before.looks if before else 0) + (not is_read),
                last=segment.keys.time(row),
            )

    def _life(self, name: str, service: _Service) -> ServiceLife:
        return ServiceLife(
            service=name,
            events=sum(service.days.values()),
            producers=len(service.producers),
            first=service.first,
            last=service.last,
            days=busiest_days(service.days),
            unproven=service.unproven,
            refuted=service.refuted,
        )

    def _outages(self) -> Iterator[Outage]:
        began: dict[Stream, _Mark] = {}
        for mark in sorted(self._marks):
            time, service, producer, kind = mark[:4]
            if kind == _ENTERED:
                began.setdefault((service, producer), mark)
            elif (start := began.pop((service, producer), None)) is not None:
                yield _outage(start, ended=time)
        for start in began.values():
            yield _outage(start, ended=None)


def _add_lives(shown: dict[str, _Service], segment: Segment, rows: Rows) -> None:
    columns, proven = segment.columns, segment.proven
    services, producers, days = (columns[name] for name in ("service", "producer", "day"))
    by_row = list(services.codes(rows))
    counted = Counter(zip(by_row, producers.codes(rows), days.codes(rows), strict=True))
    for (service, producer, day), count in counted.items():
        life = shown[services.value(service) or ""]
        life.days[days.value(day)] += count
        life.producers.add(producers.value(producer) or "")
    # Of several rows of one service the last one that is put in stays.
    last = dict(zip(by_row, rows, strict=True))
    first = dict(zip(reversed(by_row), reversed(rows), strict=True))
    for service, row in first.items():
        life = shown[services.value(service) or ""]
        life.first = life.first or segment.keys.time(row)
        life.last = segment.keys.time(last[service])
    if PENDING in proven or NO in proven:
        for (service, verdict), count in Counter(zip(by_row, map(proven.__getitem__, rows), strict=True)).items():
            life = shown[services.value(service) or ""]
            life.unproven += count if verdict == PENDING else 0
            life.refuted += count if verdict == NO else 0


def _outage(start: _Mark, *, ended: str | None) -> Outage:
    time, service, producer, _, event_id, proven, is_sealed = start
    return Outage(
        service=service,
        producer=producer,
        began=time,
        ended=ended,
        event_id=event_id,
        proven=proven,
        is_sealed=is_sealed,
    )


def _time(kept: tuple[Segment, Rows], position: int) -> str:
    segment, rows = kept
    return segment.keys.time(rows[position])


def _standing(segment: Segment, row: int) -> tuple[Proven, bool]:
    """Return whether a row is proven, and whether it was sealed."""
    return PROVEN[segment.proven[row]], bool(segment.flags[row] & SEALED)


def _worth_of_reader(reader: Reader) -> tuple[bool, int, bool, str]:
    return reader.is_of_reader, *_worth(reader), reader.last


def _worth(seen: Reader | Outage) -> tuple[int, bool]:
    return -BELIEVED.index(seen.proven), seen.is_sealed

"""The overview tells services, gaps, outages and readers as they are in the index."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.explorer.index import survey
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.overview import Overview
from telemetry.explorer.index.store import shelf
from telemetry.explorer.index.streams import Streams
from telemetry.format.value.event import AuditEvent
from telemetry.reader.entry import Entry, Proven
from tests.support.index_entries import PRODUCER, an_event, damaged, hidden, id_of, left_sealed, opened, time_of

OTHER = "0198c0de-0000-7000-8000-000000000002"


def overview(*entries: Entry, with_content: bool = True) -> Overview:
    index = EventIndex()
    index.add(entries)
    return index.overview(with_content=with_content)


def mark(number: int, kind: str, *, producer: str = PRODUCER) -> AuditEvent:
    return an_event(number, event_type=f"telemetry.{kind}", user_id="telemetry", producer=producer)


def test_empty_index_has_an_overview() -> None:
    seen = overview()

    assert (seen.events, seen.first, seen.last, seen.days, seen.services, seen.gaps) == (0, None, None, [], [], [])


def test_services_and_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SEGMENT_ROWS", 3)
    seen = overview(
        *(opened(an_event(n)) for n in range(5)),
        opened(an_event(6, service_name="till", producer=OTHER, sequence=0, time="2026-01-04T00:00:00.000000Z")),
        opened(an_event(7, service_name="till", producer=PRODUCER, sequence=0), proven=Proven.PENDING),
    )
    shop, till = seen.services

    assert (shop.service, shop.events, shop.producers) == ("/test/shop", 5, 1)
    assert (shop.first, shop.last, shop.days) == (time_of(0), time_of(4), [("2026-01-02", 5)])
    assert (till.events, till.producers, till.unproven) == (2, 2, 1)
    assert (till.first, till.last) == (time_of(7), "2026-01-04T00:00:00.000000Z")
    assert seen.days == [("2026-01-02", 6), ("2026-01-04", 1)]
    assert (seen.events, seen.first, seen.last) == (7, time_of(0), "2026-01-04T00:00:00.000000Z")
    assert seen.gaps == []


def test_gaps_are_found_and_have_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SEGMENT_ROWS", 2)
    seen = overview(*(opened(an_event(n)) for n in (2, 3, 7, 8, 9, 11)))

    assert [(gap.first, gap.last, gap.before, gap.after) for gap in seen.gaps] == [
        (4, 6, time_of(3), time_of(7)),
        (0, 1, None, time_of(2)),
        (10, 10, time_of(9), time_of(11)),
    ]


def test_refuted_and_foreign_events_fill_no_gap() -> None:
    seen = overview(
        opened(an_event(0)),
        opened(an_event(1), proven=Proven.NO),
        opened(an_event(2), is_foreign=True, sealed=False),
        opened(an_event(3)),
    )

    assert [(gap.first, gap.last) for gap in seen.gaps] == [(1, 2)]
    assert (seen.refuted, seen.foreign, seen.proven) == (1, 1, 2)


def test_two_records_of_one_sequence_hide_no_gap() -> None:
    seen = overview(opened(an_event(0)), opened(an_event(0), salt="x"), opened(an_event(2)))

    assert [(gap.first, gap.last) for gap in seen.gaps] == [(1, 1)]


def test_number_far_away_is_one_gap() -> None:
    seen = overview(opened(an_event(0)), opened(an_event(1, sequence=2**53 - 1)))

    assert [gap.missing for gap in seen.gaps] == [2**53 - 2]


def test_many_gaps_are_bounded() -> None:
    seen = overview(*(opened(an_event(n * 2)) for n in range(1_000)))

    assert len(seen.gaps) == survey.MOST_GAPS
    assert seen.more_gaps == 999 - survey.MOST_GAPS


def test_forged_gaps_come_after_those_between_proven() -> None:
    seen = overview(
        opened(an_event(0)),
        opened(an_event(3)),
        *(
            opened(an_event(10 + n, producer=f"p{n}", sequence=10**9), proven=Proven.PENDING)
            for n in range(survey.MOST_GAPS)
        ),
    )

    assert (seen.gaps[0].first, seen.gaps[0].last, seen.gaps[0].proven) == (1, 2, Proven.YES)
    assert {gap.proven for gap in seen.gaps[1:]} == {Proven.PENDING}
    assert (seen.more_gaps, seen.pending_gaps) == (1, survey.MOST_GAPS)


def test_pending_event_far_away_is_told() -> None:
    seen = overview(
        opened(an_event(0)), opened(an_event(2)), opened(an_event(3, sequence=2**53 - 1), proven=Proven.PENDING)
    )

    assert [(gap.first, gap.last, gap.proven) for gap in seen.gaps] == [
        (1, 1, Proven.YES),
        (3, 2**53 - 2, Proven.PENDING),
    ]


def test_claims_between_proven_events_split_no_gap() -> None:
    seen = overview(
        opened(an_event(0)),
        *(opened(an_event(n), proven=Proven.PENDING) for n in (1, 4, 6)),
        opened(an_event(9)),
    )
    (gap,) = seen.gaps

    assert (gap.first, gap.last, gap.missing, gap.proven) == (2, 8, 5, Proven.YES)
    assert (gap.before, gap.after) == (time_of(0), time_of(9))


def test_forged_copy_of_an_edge_lends_no_time() -> None:
    seen = overview(
        opened(an_event(0)),
        opened(an_event(1, sequence=3), proven=Proven.PENDING, salt="x"),
        opened(an_event(3)),
    )

    assert [(gap.first, gap.after, gap.proven) for gap in seen.gaps] == [(1, time_of(3), Proven.YES)]


def test_claim_before_a_cut_is_no_proven_beginning() -> None:
    index = EventIndex()
    index.progress.begin()
    index.progress.expect(9, is_from_middle=True)
    index.add([opened(an_event(1), proven=Proven.PENDING), opened(an_event(5)), opened(an_event(7))])

    assert [(gap.first, gap.last, gap.proven) for gap in index.overview(with_content=True).gaps] == [
        (6, 6, Proven.YES),
        (2, 4, Proven.PENDING),
    ]


def test_forged_services_push_no_service_out() -> None:
    forged = (
        opened(an_event(10 + n % 2, service_name=f"s{n // 2}", producer=OTHER), proven=Proven.PENDING, salt=str(n))
        for n in range(2 * survey.MOST_SERVICES)
    )
    seen = overview(*forged, opened(an_event(0)))

    assert "/test/shop" in {life.service for life in seen.services}
    assert (len(seen.services), seen.more_services) == (survey.MOST_SERVICES, 1)
    assert (seen.events, seen.days) == (2 * survey.MOST_SERVICES + 1, [("2026-01-02", 2 * survey.MOST_SERVICES + 1)])
    assert (seen.first, seen.last) == (time_of(0), time_of(11))


def test_services_that_are_not_shown_have_no_life(monkeypatch: pytest.MonkeyPatch) -> None:
    lives: list[object] = []
    life = survey._Service

    def counted() -> object:
        lives.append(life())
        return lives[-1]

    monkeypatch.setattr(survey, "_Service", counted)
    count = 3 * survey.MOST_SERVICES
    seen = overview(*(left_sealed(n, service=f"s{n}", producer=f"p{n}") for n in range(count)))

    assert len(lives) == survey.MOST_SERVICES
    assert seen.more_services == count - survey.MOST_SERVICES


def test_judging_meanwhile_makes_no_gap() -> None:
    index = EventIndex()
    index.add([opened(an_event(0)), opened(an_event(1), proven=Proven.PENDING), opened(an_event(2))])
    (segment,) = index._shelf.segments

    class JudgedOnceRead(bytearray):
        def __getitem__(self, row: Any) -> Any:
            verdict = super().__getitem__(row)
            self[row] = super().__getitem__(0)
            return verdict

    segment.proven = JudgedOnceRead(segment.proven)
    streams = Streams(is_from_start=True)
    streams.add(segment, segment.rows)

    assert streams.gaps(9).total == 0


def test_cut_index_misses_no_beginning() -> None:
    index = EventIndex(most=10)
    index.add([opened(an_event(n)) for n in range(100)])

    assert index.overview(with_content=True).gaps == []


def test_outage_has_an_end_once_it_is_over() -> None:
    entries = [
        opened(mark(1, "fallback_entered")),
        opened(mark(2, "fallback_entered", producer=OTHER)),
        opened(mark(3, "fallback_left")),
    ]
    seen = overview(*entries)

    assert [(each.producer, each.began, each.ended) for each in seen.outages] == [
        (OTHER, time_of(2), None),
        (PRODUCER, time_of(1), time_of(3)),
    ]
    assert seen.outages[0].event_id == id_of(2)
    assert overview(*entries, opened(mark(4, "stopped", producer=OTHER))).outages[0].ended == time_of(4)


def look(number: int, kind: str, user: str, *, service: str = "telemetry-reader") -> AuditEvent:
    return an_event(number, event_type=f"telemetry.{kind}", user_id=user, service_name=service)


def test_readers_are_told_with_content_only() -> None:
    entries = [
        opened(look(1, "read", "ada")),
        opened(look(2, "read", "bob")),
        opened(look(3, "searched", "ada")),
        opened(look(4, "viewed", "ada")),
    ]

    assert [(each.name, each.reads, each.looks, each.last) for each in overview(*entries).readers] == [
        ("ada", 1, 2, time_of(4)),
        ("bob", 1, 0, time_of(2)),
    ]
    assert overview(*entries, with_content=False).readers == []


def test_forged_look_stays_apart_from_proven_ones() -> None:
    readers = overview(
        opened(look(1, "read", "ada")),
        opened(look(2, "viewed", "ada"), proven=Proven.NO),
        opened(look(3, "read", "ada"), sealed=False, proven=Proven.PENDING),
    ).readers

    assert [(each.proven, each.is_sealed, each.reads, each.looks) for each in readers] == [
        (Proven.YES, True, 1, 0),
        (Proven.PENDING, False, 1, 0),
        (Proven.NO, True, 0, 1),
    ]


def test_look_that_a_service_logged_stays_apart() -> None:
    readers = overview(opened(look(1, "read", "ada")), opened(look(2, "read", "ada", service="shop"))).readers

    assert [(each.is_of_reader, each.reads) for each in readers] == [(True, 1), (False, 1)]


def test_forged_looks_push_no_reader_out() -> None:
    forged = (opened(look(n, "read", f"x{n}"), proven=Proven.PENDING) for n in range(2, survey.MOST_READERS + 9))

    assert overview(opened(look(1, "read", "ada")), *forged).readers[0].name == "ada"


def test_forged_mark_ends_no_outage() -> None:
    (outage,) = overview(
        opened(mark(1, "fallback_entered"), proven=Proven.PENDING),
        opened(mark(2, "fallback_left"), proven=Proven.NO),
    ).outages

    assert (outage.ended, outage.proven, outage.is_sealed) == (None, Proven.PENDING, True)


def test_hidden_mark_stays_hidden() -> None:
    entry = opened(hidden(mark(1, "fallback_entered")))

    assert len(overview(entry).outages) == 1
    assert overview(entry, with_content=False).outages == []


def test_sealed_events_have_an_overview() -> None:
    seen = overview(left_sealed(0), left_sealed(3), left_sealed(4, event_type="telemetry.fallback_entered"), damaged(9))

    assert (seen.events, len(seen.outages), seen.readers) == (3, 1, [])
    assert [(gap.first, gap.last) for gap in seen.gaps] == [(1, 2)]
    assert [each.kind for each in seen.damaged] == ["TamperedError"]
    assert seen.clear == 0


def test_events_in_the_clear_are_counted() -> None:
    assert overview(opened(an_event(0), sealed=False), opened(an_event(1))).clear == 1

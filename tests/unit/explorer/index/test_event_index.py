"""The index finds what a filter matches, in order, and stays within its bounds whatever is written to the topic."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.explorer.index import event_index
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.found import MOST_DAYS
from telemetry.explorer.index.search import Search
from telemetry.explorer.index.store import shelf
from telemetry.format.value.features import HIDDEN_EVENT_TYPE
from telemetry.format.value.members import Target
from telemetry.reader.entry import Entry, Place, Proven
from telemetry.reader.filters import EventFilter
from tests.support.index_entries import an_event, damaged, hidden, id_of, left_sealed, opened, time_of

EVERYTHING = Search()


def filled(*entries: Entry, **bounds: Any) -> EventIndex:
    index = EventIndex(**bounds)
    index.add(entries)
    return index


def ids(index: EventIndex, search: Search = EVERYTHING, **arguments: Any) -> list[str]:
    given = {"with_content": True, "limit": 1_000, **arguments}
    return [row.event_id for row in index.search(search, **given).rows]


def numbers(index: EventIndex, search: Search = EVERYTHING, **arguments: Any) -> list[int]:
    return [int(each[-12:], 16) for each in ids(index, search, **arguments)]


class TestOrder:
    def test_newest_event_comes_first(self) -> None:
        assert numbers(filled(*(opened(an_event(n)) for n in (1, 3, 2)))) == [3, 2, 1]

    def test_oldest_event_comes_first_if_asked(self) -> None:
        index = filled(*(opened(an_event(n)) for n in (1, 3, 2)))

        assert numbers(index, Search(newest_first=False)) == [1, 2, 3]

    @pytest.mark.parametrize("newest_first", [True, False])
    def test_random_arrival_in_small_segments(self, newest_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shelf, "SEGMENT_ROWS", 8)
        luck = random.Random(1)  # noqa: S311 - an order
        order = list(range(300))
        luck.shuffle(order)
        index = EventIndex()
        while order:
            batch, order = order[: luck.randrange(1, 20)], order[19:]
            index.add([opened(an_event(n)) for n in batch])
        expected = sorted(numbers(index), reverse=newest_first)

        assert numbers(index, Search(newest_first=newest_first)) == expected
        assert len(set(expected)) == len(expected) == index.state.indexed

    def test_pages_add_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shelf, "SEGMENT_ROWS", 8)
        index = filled(*(opened(an_event(n % 7, id=id_of(n), sequence=n)) for n in range(100)))
        pages, cursor = [], None
        while True:
            found = index.search(EVERYTHING, with_content=True, after=cursor, limit=9)
            assert found.total == 100
            pages.append([row.event_id for row in found.rows])
            if found.next is None:
                break
            cursor = found.next

        assert [len(page) for page in pages] == [9] * 11 + [1]
        assert [each for page in pages for each in page] == ids(index)

    def test_page_continues_after_new_events(self) -> None:
        index = filled(*(opened(an_event(n)) for n in range(10)))
        first = index.search(EVERYTHING, with_content=True, limit=5)
        index.add([opened(an_event(n)) for n in range(10, 20)])

        assert numbers(index, after=first.next, limit=5) == [4, 3, 2, 1, 0]

    @pytest.mark.parametrize("cursor", ["", "~", "a~b~c", "a~b~" + "0" * 63, "x" * 10_000, "~~" + "zz" * 32, "a~b~c~d"])
    def test_hostile_cursor_is_refused(self, cursor: str) -> None:
        with pytest.raises(ConfigurationError, match="begin with the first page"):
            filled(opened()).search(EVERYTHING, with_content=True, after=cursor)


class TestSearch:
    def test_all_but_foreign_records(self) -> None:
        index = filled(opened(an_event(1)), opened(an_event(2), is_foreign=True, sealed=False))

        assert numbers(index) == [1]
        assert numbers(index, Search(foreign=True)) == [2, 1]

    def test_by_service_producer_and_verdict(self) -> None:
        other = "0198c0de-0000-7000-8000-000000000002"
        index = filled(
            opened(an_event(1)),
            opened(an_event(2, service_name="till", producer=other), proven=Proven.PENDING),
            opened(an_event(3), proven=Proven.NO),
        )

        assert numbers(index, Search(services=frozenset({"/test/till"}))) == [2]
        assert numbers(index, Search(producers=frozenset({other}))) == [2]
        assert numbers(index, Search(proven=frozenset({Proven.NO, Proven.PENDING}))) == [3, 2]

    def test_text_does_not_cross_two_values(self) -> None:
        index = filled(opened(an_event(1, payload=["ab", "cd"])))

        assert numbers(index, Search(wanted=EventFilter(text="AB"))) == [1]
        assert numbers(index, Search(wanted=EventFilter(text="abcd"))) == []

    def test_text_of_a_huge_event_is_found(self) -> None:
        huge = an_event(1, payload={"note": "x" * 2_000_000 + "needle"})
        index = filled(opened(huge), opened(an_event(2)))

        assert numbers(index, Search(wanted=EventFilter(text="needle"))) == [1]
        assert index.event(id_of(1), with_content=True)[0].event == huge

    def test_endless_search_says_that_it_is_partial(self) -> None:
        entries = [opened(an_event(n, payload={"n": n})) for n in range(500)]
        index = filled(*entries, patience=0.0)

        found = index.search(Search(wanted=EventFilter(where=("payload.n",))), with_content=True)

        assert found.is_partial
        assert found.searched_to is not None
        assert found.total < 500

    def test_value_inside_is_found_in_time(self) -> None:
        index = filled(*(opened(an_event(n, payload={"n": n})) for n in range(500)), patience=60.0)
        found = index.search(Search(wanted=EventFilter(where=("payload.n=77",))), with_content=True)

        assert [row.event_id for row in found.rows] == [id_of(77)]
        assert not found.is_partial

    def test_thing_with_slashes_in_kind_and_id(self) -> None:
        index = filled(
            opened(an_event(1, entity="a/b", entity_id="c/d")), opened(an_event(2, entity="a", entity_id="b"))
        )

        for wanted, expected in (("a/b/c/d", [1]), ("a/b", [2, 1]), ("a", [2]), ("b", []), ("a/b/c", [])):
            assert numbers(index, Search(wanted=EventFilter(entities=frozenset({wanted})))) == expected

    def test_one_of_several_things_is_found(self) -> None:
        index = filled(opened(an_event(1, targets=(Target("order", "7"), Target("refund")))), opened(an_event(2)))

        for wanted in ("order", "order/7", "refund"):
            assert numbers(index, Search(wanted=EventFilter(entities=frozenset({wanted})))) == [1]


class TestCounts:
    def test_counts_of_a_search(self) -> None:
        index = filled(
            *(opened(an_event(n, user_id=f"u{n % 3}", outcome="success" if n % 2 else None)) for n in range(10)),
            opened(an_event(90_000, time="2026-01-03T00:00:00.000000Z")),
        )
        counts = index.counts(EVERYTHING, with_content=True, most=2)

        assert counts.total == 11
        assert counts.users.top == [("u0", 4), ("u1", 3)]
        assert (counts.users.rest, counts.users.others) == (4, 2)
        assert counts.outcomes.top == [("success", 5)]
        assert counts.services.top == [("/test/shop", 11)]
        assert counts.types.top == [("order_changed", 11)]
        assert counts.days == [("2026-01-02", 10), ("2026-01-03", 1)]

    def test_new_event_is_counted_at_once(self) -> None:
        index = filled(opened(an_event(1)))
        index.counts(EVERYTHING, with_content=True)
        index.add([opened(an_event(2))])

        assert index.counts(EVERYTHING, with_content=True).total == 2


class TestWithoutContent:
    def test_content_and_hidden_type_stay_inside(self) -> None:
        index = filled(opened(hidden(an_event(1, event_type="merger_planned", user_id="canary-user"))))
        answers = (
            index.search(EVERYTHING, with_content=False),
            index.counts(EVERYTHING, with_content=False),
            index.event(id_of(1), with_content=False),
            list(index.events(index.search(EVERYTHING, with_content=True).rows, with_content=False)),
            index.overview(with_content=False),
        )
        said = "".join(
            str([getattr(each, name) for name in each.__dataclass_fields__])
            for answer in answers
            for each in (answer if isinstance(answer, list) else [answer])
        )
        row = answers[0].rows[0]

        assert (row.content, row.event_type) == (None, HIDDEN_EVENT_TYPE)
        assert "canary-user" not in said
        assert "merger_planned" not in said

    def test_hidden_type_is_not_found(self) -> None:
        index = filled(opened(hidden(an_event(1, event_type="merger_planned"))))
        search = Search(wanted=EventFilter(types=("merger",)))

        assert numbers(index, search) == [1]
        assert numbers(index, search, with_content=False) == []
        assert numbers(index, Search(wanted=EventFilter(types=(HIDDEN_EVENT_TYPE,))), with_content=False) == [1]

    @pytest.mark.parametrize(
        "wanted",
        [
            EventFilter(users=frozenset({"ada"})),
            EventFilter(text="x"),
            EventFilter(where=("payload.a",)),
            EventFilter(adjusted=True),
            EventFilter(excluded=(EventFilter(users=frozenset({"ada"})),)),
        ],
    )
    def test_search_for_content_is_refused(self, wanted: EventFilter) -> None:
        index = filled(opened())

        for ask in (index.search, index.counts):
            with pytest.raises(ConfigurationError, match="stay sealed"):
                ask(Search(wanted=wanted), with_content=False)

    def test_answer_with_content_is_not_remembered(self) -> None:
        index = filled(opened(an_event(1)))

        assert index.search(EVERYTHING, with_content=True).rows[0].content is not None
        assert index.search(EVERYTHING, with_content=False).rows[0].content is None

    def test_sealed_events_meet_no_condition_of_content(self) -> None:
        index = filled(left_sealed(1), opened(an_event(2)))
        excluding = EventFilter(excluded=(EventFilter(users=frozenset({"bob"})),))

        assert numbers(index) == [2, 1]
        assert numbers(index, Search(wanted=EventFilter(types=("order",)))) == [2, 1]
        assert numbers(index, Search(wanted=excluding)) == [2]
        assert index.event(id_of(1), with_content=True)[0].event is None


class TestRecords:
    def test_copies_are_counted_and_not_shown(self) -> None:
        entry = opened(an_event(1))
        index = filled(entry, opened(an_event(2)), replace(entry, place=Place("audit", 3, 9)))
        index.add([replace(entry, place=Place("store", None, 1, "object"))])

        assert numbers(index) == [2, 1]
        assert index.event(id_of(1), with_content=True)[0].copies == 2
        assert index.state.copies == 2

    def test_second_pass_counts_nothing_twice(self) -> None:
        entries = [opened(an_event(n)) for n in range(3)] + [damaged(4), damaged(5, is_foreign=True)]
        index = filled(*entries)
        index.begin_pass()
        index.add(entries)
        state = index.state

        assert (state.indexed, state.copies, state.damaged, state.foreign_damaged) == (3, 0, 1, 1)

    def test_records_that_claim_one_id_are_all_kept(self) -> None:
        index = filled(
            opened(an_event(1), is_foreign=True, salt="c"),
            opened(an_event(1), proven=Proven.NO, salt="b"),
            opened(an_event(1), salt="a"),
        )
        claims = index.event(id_of(1), with_content=True)

        assert [(each.row.proven, each.row.is_foreign) for each in claims] == [
            (Proven.YES, False),
            (Proven.NO, False),
            (Proven.YES, True),
        ]

    def test_claims_of_one_id_are_bounded(self) -> None:
        index = filled(*(opened(an_event(1), is_foreign=True, salt=str(n)) for n in range(100)), opened(an_event(1)))
        claims = index.event(id_of(1), with_content=True)

        assert len(claims) == event_index.MAX_CLAIMS
        assert not claims[0].row.is_foreign
        assert index.claims(id_of(1)) == 101
        assert index.claims("x") == 0

    def test_large_forged_claims_are_not_opened(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_index, "MAX_CLAIMED_BYTES", 100_000)
        large = an_event(1, payload={"x": "y" * 70_000})
        forged = [opened(large, proven=Proven.NO, salt=" " * n) for n in range(1, 9)]
        index = filled(*forged, opened(an_event(1)))
        claims = index.event(id_of(1), with_content=True)

        assert [each.event is not None for each in claims] == [True, True] + [False] * 7
        assert [each.is_left_out for each in claims] == [False, False] + [True] * 7
        assert claims[0].row.proven is Proven.YES

    def test_first_claim_is_opened_however_large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(event_index, "MAX_CLAIMED_BYTES", 10)
        index = filled(opened(an_event(1), proven=Proven.NO, salt=" "), opened(an_event(1)))

        assert [each.event is not None for each in index.event(id_of(1), with_content=True)] == [True, False]
        assert not any(each.is_left_out for each in index.event(id_of(1), with_content=False))

    @pytest.mark.parametrize("event_id", ["", "x", id_of(2), "\x00" * 100_000, id_of(1).upper()])
    def test_unknown_id_finds_nothing(self, event_id: str) -> None:
        assert filled(opened(an_event(1))).event(event_id, with_content=True) == []

    def test_pending_event_is_judged_later(self) -> None:
        index = filled(
            opened(an_event(1), proven=Proven.PENDING),
            opened(an_event(2), proven=Proven.PENDING, sealed=False, is_foreign=True),
            opened(an_event(3), proven=Proven.PENDING),
        )
        verdicts = {1: (Proven.YES, "/test/gateway"), 2: (Proven.YES, None), 3: (Proven.NO, None)}
        assert numbers(index, Search(proven=frozenset({Proven.YES}))) == []

        assert index.judge(lambda *place: verdicts[place[2]]) == 3

        rows = index.search(EVERYTHING, with_content=True).rows
        assert [(row.proven, row.via, row.is_foreign) for row in rows] == [
            (Proven.NO, None, False),
            (Proven.YES, None, False),
            (Proven.YES, "/test/gateway", False),
        ]
        assert numbers(index, Search(proven=frozenset({Proven.YES}))) == [2, 1]

    def test_neighbours_are_around_the_event(self) -> None:
        index = filled(*(opened(an_event(n, session_id="s" if n % 2 else "t")) for n in range(100)))
        row = index.event(id_of(51), with_content=True)[0].row
        found = index.neighbours(row, by="session_id", with_content=True, limit=4)

        assert [int(each.event_id[-12:], 16) for each in found.rows] == [47, 49, 51, 53]
        assert found.total == 50
        assert index.neighbours(row, by="session_id", with_content=False).rows == []
        assert index.neighbours(row, by="correlation_id", with_content=True).rows == []

    def test_access_log_has_who_looked(self) -> None:
        index = filled(
            opened(an_event(1, event_type="telemetry.read", user_id="ada")),
            opened(an_event(2, event_type="telemetry.viewed", user_id="ada")),
            opened(an_event(3)),
        )

        assert [row.event_type for row in index.access_log(with_content=True).rows] == [
            "telemetry.viewed",
            "telemetry.read",
        ]


class TestBounds:
    def test_oldest_events_give_way(self) -> None:
        index = filled(*(opened(an_event(n)) for n in range(30)), most=10)
        index.add([opened(an_event(3))])
        state = index.state

        assert numbers(index) == list(range(29, 19, -1))
        assert state.is_cut
        assert state.cut_before == time_of(20)
        assert state.left_out == 21

    def test_index_that_holds_all_is_not_cut(self) -> None:
        state = filled(*(opened(an_event(n)) for n in range(10)), most=10).state

        assert not state.is_cut
        assert state.cut_before is None

    def test_foreign_records_push_nothing_out(self) -> None:
        index = filled(*(opened(an_event(n)) for n in range(100)), most=100)
        for n in range(1_000, 2_000, 100):
            index.add([opened(an_event(n + i), is_foreign=True, sealed=False) for i in range(100)])

        assert numbers(index) == list(range(99, -1, -1))[: len(numbers(index))]
        assert len(numbers(index)) >= 90
        assert index.state.foreign_left_out > 900

    def test_what_nothing_proves_gives_way_first(self) -> None:
        index = filled(*(opened(an_event(n)) for n in range(100)), most=200)
        for n in range(1_000, 2_000, 100):
            index.add([opened(an_event(n + i), proven=Proven.PENDING) for i in range(100)])

        assert set(range(100)) <= set(numbers(index))
        assert index.state.indexed <= 200
        assert index.state.is_cut
        assert index.state.cut_before is None

    def test_unsigned_trail_uses_all_the_room(self) -> None:
        index = EventIndex(most=200)
        for n in range(0, 1_000, 50):
            index.add([opened(an_event(n + i), proven=Proven.PENDING) for i in range(50)])

        assert 150 < index.state.indexed <= 200
        assert numbers(index)[0] == 999

    def test_huge_events_are_bounded_by_bytes(self) -> None:
        luck = random.Random(3)  # noqa: S311 - bytes that cannot be compressed
        index = EventIndex(most_bytes=4 << 20)
        for n in range(40):
            index.add([opened(an_event(n, payload={"blob": luck.randbytes(200_000).hex()}))])

        assert index.state.is_cut
        assert numbers(index)[0] == 39
        assert 5 < index.state.indexed < 40

    def test_damaged_records_are_bounded(self) -> None:
        index = filled(*(damaged(n, reason="x" * 10_000) for n in range(1_000)))
        shown = index.overview(with_content=True).damaged

        assert index.state.damaged == 1_000
        assert len(shown) == 200
        assert len(shown[-1].reason) < 1_000

    def test_many_slashes_cost_little(self) -> None:
        index = filled(*(opened(an_event(n)) for n in range(100)), patience=0.2)
        wanted = EventFilter(entities=frozenset("/" * n for n in range(1, 1_000)))
        began = time.thread_time()

        assert numbers(index, Search(wanted=wanted)) == []
        assert time.thread_time() - began < 10


class TestHostile:
    @pytest.mark.parametrize(
        "fields",
        [
            {"user_id": "\x00\x1b[31m\u202e\u200b", "payload": {"\x00": ["<script>"] * 3}},
            {"time": "0", "id": "0"},
            {"time": "9" * 500, "id": "Z" * 500},
            {"sequence": 2**53 - 1, "producer": "x" * 500},
            {"entity": None, "entity_id": "7", "actor_id": ""},
            {"service_name": "a/b c%", "environment": "\u00fc"},
            {"payload": [[[[[[[[10**30, -0.0, 1e308, True, None]]]]]]]]},
            {"event_type": "", "user_id": "", "ip_address": "not an address", "metadata": {"a": {"b": []}}},
        ],
    )
    def test_odd_event_comes_back_as_it_was(self, fields: dict[str, Any]) -> None:
        event = an_event(1, **fields)
        index = filled(opened(event), opened(an_event(2)))
        rows = index.search(EVERYTHING, with_content=True).rows
        events = [each.event for each in index.events(rows, with_content=True)]

        assert event in events
        assert index.event(event.id, with_content=True)[0].event == event
        assert index.counts(EVERYTHING, with_content=True).total == 2
        assert index.overview(with_content=True).events == 2

    def test_nothing_of_content_is_in_a_repr(self) -> None:
        index = filled(opened(an_event(1, user_id="canary-user")))
        found = index.search(EVERYTHING, with_content=True)

        assert "canary-user" not in repr((found, list(index.events(found.rows, with_content=True)), index))


class TestHostileSealed:
    @pytest.mark.parametrize("text", ["~", "a~b~c", "\x00", "x" * 100_000, "", "\u202e", "2026-01-02", "9" * 27])
    def test_pages_pass_a_record_with_any_attributes(self, text: str) -> None:
        hostile = replace(left_sealed(1), event_id=text, time=text, event_type=text)
        index = filled(left_sealed(0), hostile, left_sealed(2))
        seen, cursor = [], None
        while True:
            found = index.search(EVERYTHING, with_content=True, after=cursor, limit=1)
            seen += found.rows
            if found.next is None:
                break
            cursor = found.next

        assert len(seen) == 3
        assert [each.row for each in index.events(seen, with_content=True)] == seen
        assert all(index.event(row.event_id, with_content=True) for row in seen)
        assert max(len(row.event_id) for row in seen) <= 256
        assert [day for day, _ in index.overview(with_content=True).days] == ["2026-01-02"]

    def test_days_of_an_answer_are_bounded(self) -> None:
        index = filled(
            *(opened(an_event(n, time=f"{n:04d}-01-01T00:00:00.000000Z")) for n in range(6_000)),
            *(opened(an_event(n)) for n in range(6_000, 6_002)),
        )

        for days in (index.counts(EVERYTHING, with_content=True).days, index.overview(with_content=True).days):
            assert len(days) == MOST_DAYS
            assert ("2026-01-02", 2) in days

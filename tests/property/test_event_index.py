"""Searches made-up events in the explorer's index and one by one: both find the same, in the same order."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.find.conditions import known_fields
from telemetry.explorer.index.search import Search
from telemetry.explorer.index.store import contents, line, shelf
from telemetry.explorer.index.store.bodies import BodyReader
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import Change, Target
from telemetry.reader.filters import EventFilter
from tests.support.index_entries import an_event, opened, time_of

_FEW = st.sampled_from(
    ["a", "b", "a/b", "A", "ß", "ss", "İ", "77", "77.0", "true", "\x00", '"', "\\n", "e\u0301", "🦊"]
)
_MAYBE = st.none() | _FEW
_JSON = st.recursive(
    _FEW | st.sampled_from([77, 77.0, -0.0, 0, 10**16, 1e16, True, False, None, 7.5]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(_FEW, each, max_size=3),
    max_leaves=6,
)
_ADDRESSES = st.none() | st.sampled_from(
    ["10.0.0.7", "::ffff:10.0.0.7", "10.0.0.007", "2001:db8::1", "2001:DB8:0::1", "fe80::1%eth0", "nowhere", ""]
)
_TIMES = st.integers(0, 5).map(time_of)
_NAMES = st.sampled_from(["order_changed", "order_read", "login", "a", "*", "[x"])


@st.composite
def _events(draw: st.DrawFn) -> list[AuditEvent]:
    count = draw(st.integers(0, 25))
    return [
        an_event(
            number,
            time=draw(_TIMES),
            event_type=draw(_NAMES),
            user_id=draw(_FEW),
            actor_id=draw(_MAYBE),
            actor_type=draw(st.sampled_from([None, "user", "service"])),
            tenant_id=draw(_MAYBE),
            entity=draw(_MAYBE),
            entity_id=draw(_MAYBE),
            outcome=draw(st.sampled_from([None, "success", "denied"])),
            ip_address=draw(_ADDRESSES),
            session_id=draw(_MAYBE),
            correlation_id=draw(_MAYBE),
            payload=draw(_JSON),
            metadata=draw(st.dictionaries(_FEW, _JSON, max_size=2)),
            occurred_at=draw(st.none() | st.sampled_from(["2026-01-02T00:00:01Z", "2026-01-02T00:00:02.5Z"])),
            targets=tuple(draw(st.lists(st.builds(Target, _FEW, _MAYBE), max_size=2))),
            changes=draw(st.dictionaries(_FEW, st.builds(Change, _JSON, _JSON), max_size=2)),
            adjusted=draw(st.sampled_from([(), ("payload",)])),
        )
        for number in range(count)
    ]


_WHERE = st.sampled_from(
    [
        "payload.a=77",
        "payload.a=77.0",
        "payload.a=~7",
        "payload.a=7.7e1",
        "payload.a",
        "payload.a=true",
        "payload.a=0",
        "payload.a=10000000000000000",
        "changes.a",
        "changes.a.old=a",
        "metadata.a.b=~SS",
        "user_id=a",
        "adjusted=payload",
        "targets.0.entity=~a",
        "sequence=3",
    ]
)


def _filters(depth: int = 1) -> st.SearchStrategy[EventFilter]:
    few = st.frozensets(_FEW, max_size=2)
    conditions: dict[str, st.SearchStrategy[Any]] = {
        "ids": st.frozensets(st.integers(0, 30).map(lambda number: an_event(number).id), max_size=5),
        "users": few,
        "actors": few,
        "actor_types": st.frozensets(st.sampled_from(["user", "system"]), max_size=1),
        "tenants": few,
        "entities": few,
        "addresses": st.frozensets(
            st.sampled_from(["10.0.0.7", "10.0.0.0/8", "::ffff:10.0.0.0/104", "2001:db8::/32", "::/0", "fe80::1"]),
            max_size=2,
        ),
        "sessions": few,
        "correlations": few,
        "types": st.lists(st.sampled_from(["order", "*_read", "login", "[!a]*", "a"]), max_size=2).map(tuple),
        "outcomes": st.frozensets(st.sampled_from(["success", "failure"]), max_size=2),
        "where": st.lists(_WHERE, max_size=2).map(tuple),
        "since": st.just("") | _TIMES.filter(lambda time: time < time_of(3)),
        "until": st.just("") | _TIMES.filter(lambda time: time >= time_of(3)),
        "occurred_since": st.just("") | st.just("2026-01-02T00:00:01.5Z"),
        "occurred_until": st.just("") | st.just("2026-01-02T00:00:04.000000Z"),
        "text": st.just("") | _FEW,
        "adjusted": st.booleans(),
    }
    if depth:
        conditions["excluded"] = st.lists(_filters(depth - 1), max_size=2).map(tuple)
    # Few conditions at a time, so that most filters match something.
    names = st.sets(st.sampled_from(sorted(conditions)), max_size=3)
    return names.flatmap(lambda chosen: st.builds(EventFilter, **{name: conditions[name] for name in sorted(chosen)}))


@settings(max_examples=400)
@given(
    events=_events(),
    wanted=_filters(),
    newest_first=st.booleans(),
    rows=st.integers(2, 8),
    page=st.integers(1, 7),
    most_text=st.sampled_from([60, 1 << 16]),
)
def test_index_finds_what_the_filter_matches(
    *, events: list[AuditEvent], wanted: EventFilter, newest_first: bool, rows: int, page: int, most_text: int
) -> None:
    search = Search(wanted=wanted, newest_first=newest_first)
    index = EventIndex(patience=60.0)
    with patch.object(shelf, "SEGMENT_ROWS", rows), patch.object(line, "MAX_TEXT", most_text):
        for start in range(0, len(events), 4):
            index.add([opened(event) for event in events[start : start + 4]])
    expected = [event for event in events if wanted.matches(event)]
    expected.sort(key=lambda event: (event.time, event.id), reverse=newest_first)
    found: list[AuditEvent | None] = []
    cursor = None
    while True:
        answer = index.search(search, with_content=True, after=cursor, limit=page)
        found += [each.event for each in index.events(answer.rows, with_content=True)]
        assert answer.total == len(expected)
        if answer.next is None:
            break
        cursor = answer.next

    counts = index.counts(search, with_content=True, most=100)
    assert found == expected
    assert Counter(dict(counts.users.top)) == Counter(event.user_id for event in expected)
    assert Counter(dict(counts.types.top)) == Counter(event.event_type for event in expected)
    assert Counter(dict(counts.outcomes.top)) == Counter(event.outcome for event in expected if event.outcome)
    assert Counter(dict(counts.days)) == Counter(event.time[:10] for event in expected)


@given(events=_events())
def test_events_packed_again_are_the_same(events: list[AuditEvent]) -> None:
    kept = contents.Contents()
    for event in events:
        entry = line.LineMaker().line(opened(event), arrival=0)
        kept = kept.extended([entry])

    before, after = kept, kept.repacked()
    reader = BodyReader()
    bodies = [(before.body(row), after.body(row)) for row in range(len(events))]

    assert [reader.event(one) for pair in bodies for one in pair if one is not None] == [
        event for event in events for _ in range(2)
    ]


def test_every_condition_of_a_filter_is_known() -> None:
    assert known_fields() == {each.name for each in fields(EventFilter) if each.init}

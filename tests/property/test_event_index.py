"""Searches made-up events in the explorer's index and one by one: both find the same, in the same order."""

from __future__ import annotations

import random
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

_TEXTS = ("a", "b", "a/b", "A", "ß", "ss", "77", "77.0", "true", "\x00", '"', "e\u0301")
_FEW = st.sampled_from(_TEXTS)
_PLAIN = (*_TEXTS, 77, 77.0, -0.0, 0, 10**16, 1e16, True, False, None, 7.5)
_ADDRESSES = (
    "10.0.0.7",
    "::ffff:10.0.0.7",
    "10.0.0.007",
    "2001:db8::1",
    "2001:DB8:0::1",
    "fe80::1%eth0",
    "nowhere",
    None,
)
_TIMES = st.integers(0, 5).map(time_of)
_NAMES = ("order_changed", "order_read", "login", "a", "*", "[x")
_OCCURRED = (None, None, "2026-01-02T00:00:01Z", "2026-01-02T00:00:02.5Z")


def _value(luck: random.Random, *, depth: int = 2) -> Any:
    kind = luck.randrange(4) if depth else 3
    if kind == 0:
        return [_value(luck, depth=depth - 1) for _ in range(luck.randrange(3))]
    if kind == 1:
        return {luck.choice(_TEXTS): _value(luck, depth=depth - 1) for _ in range(luck.randrange(3))}
    return luck.choice(_PLAIN)


def _event(luck: random.Random, number: int) -> AuditEvent:
    def maybe() -> str | None:
        return luck.choice((None, *_TEXTS[:4]))

    changed = {luck.choice("ab"): Change(_value(luck), _value(luck)) for _ in range(luck.randrange(3))}
    targets = tuple(Target(luck.choice(_TEXTS[:3]), maybe()) for _ in range(luck.choice((0, 0, 1, 2))))
    return an_event(
        number,
        time=time_of(luck.randrange(6)),
        event_type=luck.choice(_NAMES),
        user_id=luck.choice(_TEXTS[:5]),
        actor_id=maybe(),
        actor_type=luck.choice((None, "user", "service")),
        tenant_id=maybe(),
        entity=maybe(),
        entity_id=maybe(),
        outcome=luck.choice((None, "success", "denied")),
        ip_address=luck.choice(_ADDRESSES),
        session_id=maybe(),
        correlation_id=maybe(),
        payload=luck.choice(({"a": _value(luck)}, _value(luck))),
        metadata={"a": {"b": _value(luck)}} if luck.randrange(2) else {},
        occurred_at=luck.choice(_OCCURRED),
        targets=targets,
        changes=changed,
        adjusted=luck.choice(((), ("payload",))),
    )


def _many(count: int, seed: int) -> list[AuditEvent]:
    luck = random.Random(seed)  # noqa: S311 - made-up events
    return [_event(luck, number) for number in range(count)]


_EVENTS = st.builds(_many, st.integers(0, 40), st.integers(0, 1 << 32))


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
    few = st.frozensets(st.sampled_from(_TEXTS[:6]), min_size=1, max_size=2)
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
        "where": st.lists(_WHERE, min_size=1, max_size=2).map(tuple),
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
    names = st.sets(st.sampled_from(sorted(conditions)), min_size=1, max_size=2)
    return names.flatmap(lambda chosen: st.builds(EventFilter, **{name: conditions[name] for name in sorted(chosen)}))


@settings(max_examples=400)
@given(
    events=_EVENTS,
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


@given(events=_EVENTS)
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

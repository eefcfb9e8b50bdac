from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import ConfigurationError
from telemetry.format.value.members import Change, Target
from telemetry.reader import EventFilter
from tests.support.some_events import FULL, make_event


def shown(value: object) -> str:
    """Return the name of a test's argument; sets have no order of their own."""
    return str(value.describe(with_text=True)) if isinstance(value, EventFilter) else str(value)


MORE: dict[str, Any] = {
    "actor_type": "service",
    "tenant_id": "acme",
    "targets": (Target("invoice", "9"), Target("ledger")),
    "changes": {"email": Change("a@example.com", "b@example.com")},
    "occurred_at": "2026-01-30T08:00:00.5Z",
    "adjusted": ("user_agent",),
}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EventFilter(), True),
        (EventFilter(users=frozenset(["user-1"])), True),
        (EventFilter(users=frozenset(["user"])), False),
        (EventFilter(types=("order",)), True),
        (EventFilter(types=("updated",)), False),
        (EventFilter(types=("*_updated", "x")), True),
        (EventFilter(types=("o?der_*",)), True),
        (EventFilter(types=("[a-n]*",)), False),
        (EventFilter(types=("(order|x)",)), False),
        (EventFilter(outcomes=frozenset(["denied"])), True),
        (EventFilter(outcomes=frozenset(["success"])), False),
        (EventFilter(since="2026-01-31T12:00:00.123456Z", until="2026-01-31T12:00:00.123456Z"), True),
        (EventFilter(since="2026-01-31T12:00:00.123457Z"), False),
        (EventFilter(until="2026-01-31T12:00:00.123455Z"), False),
        (EventFilter(text="CHECKOUT"), True),
        (EventFilter(text="region"), True),
        (EventFilter(text="session_id"), False),
        (EventFilter(users=frozenset(["user-1"]), text="nothing"), False),
        (EventFilter(users=frozenset(["user-2", "user-1"])), True),
        (EventFilter(actors=frozenset(["admin-1"])), True),
        (EventFilter(actors=frozenset(["user-1"])), False),
        (EventFilter(actor_types=frozenset(["service"])), True),
        (EventFilter(actor_types=frozenset(["user"])), False),
        (EventFilter(tenants=frozenset(["acme"])), True),
        (EventFilter(tenants=frozenset(["acm"])), False),
        (EventFilter(sessions=frozenset(["session-9"])), True),
        (EventFilter(sessions=frozenset(["session-99"])), False),
        (EventFilter(correlations=frozenset(["request-3"])), True),
        (EventFilter(correlations=frozenset(["request"])), False),
        (EventFilter(ids=frozenset(["0198c0de-1111-7222-8333-444455556666"])), True),
        (EventFilter(ids=frozenset(["0198c0de-1111-7222-8333-444455556667"])), False),
        (EventFilter(entities=frozenset(["order"])), True),
        (EventFilter(entities=frozenset(["order/4711"])), True),
        (EventFilter(entities=frozenset(["order/471"])), False),
        (EventFilter(entities=frozenset(["ord"])), False),
        (EventFilter(entities=frozenset(["invoice/9"])), True),
        (EventFilter(entities=frozenset(["invoice/8"])), False),
        (EventFilter(entities=frozenset(["ledger"])), True),
        (EventFilter(entities=frozenset(["ledger/"])), False),
        (EventFilter(addresses=frozenset(["2001:0DB8:0:0::1"])), True),
        (EventFilter(addresses=frozenset(["2001:db8::/32"])), True),
        (EventFilter(addresses=frozenset(["10.0.0.0/8"])), False),
        (EventFilter(where=("changes.email",)), True),
        (EventFilter(where=("changes.email.new=b@example.com", "metadata.region=eu")), True),
        (EventFilter(where=("changes.email.new=b@example.com", "metadata.region=us")), False),
        (EventFilter(where=("metadata.region=us", "metadata.region=eu")), True),
        (EventFilter(text="b@EXAMPLE"), True),
        (EventFilter(text="email"), True),
        (EventFilter(text="invoice"), True),
        (EventFilter(text="ip_address"), False),
        (EventFilter(adjusted=True), True),
        (EventFilter(occurred_since="2026-01-30T08:00:00.500000Z"), True),
        (EventFilter(occurred_since="2026-01-30T08:00:00.500001Z"), False),
        (EventFilter(occurred_until="2026-01-30T08:00:00.500000Z"), True),
        (EventFilter(occurred_until="2026-01-30T08:00:00.499999Z"), False),
        (EventFilter(since="2026-01-31T00:00:00.000000Z", occurred_until="2026-01-31T00:00:00.000000Z"), True),
        (EventFilter(excluded=(EventFilter(users=frozenset(["mallory"])),)), True),
        (EventFilter(excluded=(EventFilter(users=frozenset(["mallory"])), EventFilter(types=("order",)))), False),
        (EventFilter(users=frozenset(["user-1"]), excluded=(EventFilter(adjusted=True),)), False),
    ],
    ids=shown,
)
def test_each_condition_selects(wanted: EventFilter, expected: bool) -> None:
    assert wanted.matches(make_event(**FULL, **MORE)) is expected


@pytest.mark.parametrize(
    "wanted",
    [
        EventFilter(tenants=frozenset(["acme"])),
        EventFilter(entities=frozenset(["order"])),
        EventFilter(addresses=frozenset(["0.0.0.0/0", "::/0"])),
        EventFilter(sessions=frozenset(["None"])),
        EventFilter(where=("changes",)),
        EventFilter(adjusted=True),
    ],
    ids=shown,
)
def test_absent_field_is_not_selected(wanted: EventFilter) -> None:
    assert not wanted.matches(make_event())


def test_user_is_the_actor_without_another() -> None:
    wanted = EventFilter(actors=frozenset(["user-1"]))
    assert wanted.matches(make_event())
    assert not wanted.matches(make_event(actor_id="root"))


def test_address_that_is_part_of_another() -> None:
    events = [make_event(ip_address=text) for text in ("10.0.0.71", "10.0.0.7", "110.0.0.7", "::ffff:10.0.0.7")]
    assert [EventFilter(addresses=frozenset(["10.0.0.7"])).matches(event) for event in events] == [
        False,
        True,
        False,
        True,
    ]


def test_event_without_occurred_at_happened_when_logged() -> None:
    assert EventFilter(occurred_since="2026-01-31T12:00:00.123456Z").matches(make_event())
    assert not EventFilter(occurred_until="2026-01-31T12:00:00.123455Z").matches(make_event())


@given(st.text(min_size=1, max_size=20), st.text(max_size=5), st.text(max_size=5))
def test_a_text_is_found_wherever_it_stands(text: str, before: str, after: str) -> None:
    event = make_event(payload={"list": [{"deep": before + text + after}]})

    assert EventFilter(text=text).matches(event)
    assert EventFilter(text=text).matches(make_event(metadata={before + text + after: 1}))


def test_description_hides_the_text_on_request() -> None:
    wanted = EventFilter(users=frozenset(["b", "a"]), types=("x*",), text="secret")

    assert wanted.describe(with_text=True) == {"users": ["a", "b"], "types": ["x*"], "text": "secret"}
    assert wanted.describe(with_text=False) == {"users": ["a", "b"], "types": ["x*"], "text": True}
    assert EventFilter().describe(with_text=True) == {}


def test_description_of_every_condition() -> None:
    wanted = EventFilter(
        addresses=frozenset(["10.0.0.0/8"]),
        where=("payload.card=4111",),
        adjusted=True,
        excluded=(EventFilter(users=frozenset(["bot"])), EventFilter(where=("payload.card",))),
    )

    assert wanted.describe(with_text=True) == {
        "addresses": ["10.0.0.0/8"],
        "where": ["payload.card=4111"],
        "adjusted": True,
        "excluded": [{"users": ["bot"]}, {"where": ["payload.card"]}],
    }
    assert wanted.describe(with_text=False)["where"] is True
    assert wanted.describe(with_text=False)["excluded"] == [{"users": ["bot"]}, {"where": True}]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EventFilter(
            ids=frozenset(["77"]),
            users=frozenset([""]),
            actor_types=frozenset(["robot"]),
            addresses=frozenset(["10.0.0.256"]),
            outcomes=frozenset(["maybe"]),
            types=("",),
            where=("payloda.x=1",),
            text="x" * 2_000,
            since="b",
            until="a",
            occurred_since="b",
            occurred_until="a",
        )

    assert sorted(problem.field for problem in caught.value.problems) == sorted(
        ["outcomes", "actor_types", "users", "types", "text", "ids", "addresses", "where", "since", "occurred_since"]
    )


def test_python_error_names_the_field() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EventFilter(outcomes=frozenset(["won"]))

    assert "--" not in str(caught.value)
    assert str(caught.value).startswith("outcomes: ")

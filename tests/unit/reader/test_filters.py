from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import ConfigurationError
from telemetry.reader import EventFilter
from telemetry.reader.filters import event_time, parse_moment
from tests.support.some_events import FULL, make_event

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


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
    ],
    ids=str,
)
def test_each_condition_selects(wanted: EventFilter, expected: bool) -> None:
    assert wanted.matches(make_event(**FULL)) is expected


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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("1w", NOW - timedelta(weeks=1)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T13:00:00+01:00", NOW),
        ("2026-01-31T12:00:00Z", NOW),
        ("2026-01-31T12:00:00", NOW),
    ],
)
def test_moment_of_each_form(text: str, moment: datetime) -> None:
    assert parse_moment(text, "--since", now=NOW) == moment


@pytest.mark.parametrize(
    "text", ["", "15", "m", "-5m", "\u0661\u0665m", "yesterday", "999999999w", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--since"):
        parse_moment(text, "--since", now=NOW)


def test_times_compare_as_events_write_them() -> None:
    east = timezone(timedelta(hours=9))

    assert event_time(datetime(2026, 1, 31, 21, tzinfo=east)) == "2026-01-31T12:00:00.000000Z"


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EventFilter(outcomes=frozenset(["maybe"]), types=("",), text="x" * 2_000, since="b", until="a")

    assert [problem.field for problem in caught.value.problems] == ["outcomes", "text", "types", "since"]


def test_python_error_names_the_field() -> None:
    with pytest.raises(ConfigurationError) as caught:
        EventFilter(outcomes=frozenset(["won"]))

    assert "--" not in str(caught.value)
    assert str(caught.value).startswith("outcomes: ")

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.cli.options.filters import FilterOptions
from telemetry.exceptions import ConfigurationError
from telemetry.reader import EventFilter

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_problems_name_the_options() -> None:
    with pytest.raises(ConfigurationError) as caught:
        FilterOptions(
            {
                "types": ["x" * 2_000],
                "outcomes": ["maybe"],
                "addresses": ["nowhere"],
                "where": ["payload["],
                "text": "x" * 2_000,
                "since": "2026-02-01",
                "until": "2026-01-01",
                "occurred_since": "2026-02-01",
                "occurred_until": "2026-01-01",
            },
            now=NOW,
        )

    assert [problem.field for problem in caught.value.problems] == [
        "--outcome",
        "--type",
        "--text",
        "--ip",
        "--where",
        "--since",
        "--occurred-since",
    ]


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("user=mallory", EventFilter(users=frozenset(["mallory"]))),
        ("ip=10.0.0.0/8", EventFilter(addresses=frozenset(["10.0.0.0/8"]))),
        ("actor-type=system", EventFilter(actor_types=frozenset(["system"]))),
        ("type=health*", EventFilter(types=("health*",))),
        ("where=payload.order.id=77", EventFilter(where=("payload.order.id=77",))),
        ("text=a=b", EventFilter(text="a=b")),
        ("adjusted", EventFilter(adjusted=True)),
    ],
)
def test_each_filter_can_be_excluded(text: str, excluded: EventFilter) -> None:
    assert FilterOptions({"excluded": [text]}, now=NOW).filter.excluded == (excluded,)


@pytest.mark.parametrize(
    "text", ["", "user", "user=", "since=2h", "color=red", "ip=nowhere", "outcome=maybe", "where=x=1"]
)
def test_what_cannot_be_excluded(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        FilterOptions({"excluded": [text]}, now=NOW)

    assert [problem.field for problem in caught.value.problems] == ["--not"]


def test_time_without_zone_is_utc() -> None:
    selected = FilterOptions({"since": "2026-01-31T08:00:00", "occurred_until": "2026-01-30"}, now=NOW)

    assert selected.filter == EventFilter(
        since="2026-01-31T08:00:00.000000Z", occurred_until="2026-01-30T00:00:00.000000Z"
    )


def test_time_of_happening_bounds_no_range() -> None:
    within = FilterOptions({"occurred_since": "2h", "occurred_until": "1h"}, now=NOW).read_range()

    assert (within.since, within.until) == (None, None)


@pytest.mark.parametrize("option", ["since", "until", "late", "occurred_since", "occurred_until"])
def test_text_that_is_no_time_is_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--{option.replace('_', '-')}"):
        FilterOptions({option: "yesterday"}, now=NOW)


def test_empty_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--text"):
        FilterOptions({"text": ""}, now=NOW)


def test_range_allows_for_clocks_and_late_arrivals() -> None:
    within = FilterOptions({"since": "2h", "until": "1h", "late": "1d"}, now=NOW).read_range(offset=7, end_offset=9)

    assert within.since == (NOW - timedelta(hours=2, minutes=5)).timestamp()
    assert within.until == (NOW - timedelta(hours=1) + timedelta(days=1)).timestamp()
    assert (within.offset, within.end_offset, within.follow) == (7, 9, False)


def test_following_has_no_end() -> None:
    within = FilterOptions({"until": "1h"}, now=NOW).read_range(follow=True)

    assert (within.until, within.follow) == (None, True)


@pytest.mark.parametrize(
    ("options", "by_content"),
    [
        ({}, False),
        ({"since": "2h", "until": "1h"}, False),
        ({"users": ["alice"]}, True),
        ({"excluded": ["user=x"]}, True),
        ({"adjusted": True}, True),
        ({"text": "x"}, True),
    ],
)
def test_content_is_needed_for_more_than_times(options: dict[str, object], by_content: bool) -> None:
    assert FilterOptions(options, now=NOW).selects_by_content is by_content

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.cli.options.filters import FilterOptions
from telemetry.exceptions import ConfigurationError

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_problems_name_the_options() -> None:
    with pytest.raises(ConfigurationError) as caught:
        FilterOptions(
            event_type=["x" * 2_000],
            outcome=["maybe"],
            text="x" * 2_000,
            since="2026-02-01",
            until="2026-01-01",
            now=NOW,
        )

    assert [problem.field for problem in caught.value.problems] == ["--outcome", "--type", "--text", "--since"]


@pytest.mark.parametrize("option", ["since", "until", "late"])
def test_text_that_is_no_time_is_refused(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"--{option}"):
        FilterOptions(**{option: "yesterday"}, now=NOW)  # type: ignore[arg-type]


def test_empty_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--text"):
        FilterOptions(text="", now=NOW)


def test_range_allows_for_clocks_and_late_arrivals() -> None:
    within = FilterOptions(since="2h", until="1h", late="1d", now=NOW).read_range(offset=7, end_offset=9)

    assert within.since == (NOW - timedelta(hours=2, minutes=5)).timestamp()
    assert within.until == (NOW - timedelta(hours=1) + timedelta(days=1)).timestamp()
    assert (within.offset, within.end_offset, within.follow) == (7, 9, False)


def test_following_has_no_end() -> None:
    within = FilterOptions(until="1h", now=NOW).read_range(follow=True)

    assert (within.until, within.follow) == (None, True)


@pytest.mark.parametrize(
    ("options", "by_content"),
    [({}, False), ({"since": "2h", "until": "1h"}, False), ({"user": ["alice"]}, True), ({"text": "x"}, True)],
)
def test_content_is_needed_for_more_than_times(options: dict[str, object], by_content: bool) -> None:
    assert FilterOptions(**options, now=NOW).selects_by_content is by_content  # type: ignore[arg-type]

"""A timeline shows every event, in a bounded number of bars, whatever the dates."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.pages.charts import Chart, timeline
from telemetry.pages.charts.timeline import MAX_BARS
from tests.support.seen_page import SeenPage

DAYS = st.dates().map(str)
HOURS = st.tuples(st.dates(), st.integers(0, 23)).map(lambda each: f"{each[0]}T{each[1]:02}")
ODD = st.sampled_from(["", "today", "2026-02-31", "2026-01-01T25", "<script>", "9999-12-31", "0001-01-01"])
COUNTS = st.lists(st.tuples(DAYS | HOURS | ODD, st.integers(0, 10**15)), max_size=60)


def bars(chart: Chart) -> int:
    return SeenPage(chart.svg).tags.count("rect")


def total(chart: Chart) -> int:
    return sum(int(row[-1]) for row in chart.rows)


@given(COUNTS)
def test_any_dates_give_a_bounded_picture(days: list[tuple[str, int]]) -> None:
    chart = timeline(days, title="<b>\u202e")
    page = SeenPage(chart.svg)

    assert bars(chart) <= MAX_BARS
    assert set(page.tags) <= {"svg", "title", "desc", "rect", "line", "text"}
    assert total(chart) <= sum(count for _, count in days)
    for tag, name, value in page.attributes:
        if tag == "rect" and name in ("x", "y", "width", "height"):
            assert 0 <= float(value) <= 960


def test_days_between_are_empty() -> None:
    chart = timeline([("2026-01-03", 2), ("2026-01-01", 5)], title="Activity")

    assert chart.rows == (("2026-01-01", 5), ("2026-01-03", 2))
    assert "A bar is a day" in chart.note
    assert "7 events from 2026-01-01 to 2026-01-03; the most, 5, from 2026-01-01." in chart.svg


def test_axis_has_whole_numbers() -> None:
    assert ">0.5<" not in timeline([("2026-01-01", 1)], title="Activity").svg
    assert ">30k<" in timeline([("2026-01-01", 49_999)], title="Activity").svg


def test_hours_are_drawn_until_they_are_too_many() -> None:
    few = [(f"2026-01-01T{hour:02}", 1) for hour in range(24)]
    many = [(f"2026-{month:02}-01T00", 1) for month in range(1, 13)]

    assert bars(timeline(few, title="Activity")) == 24
    assert "A bar is an hour" in timeline(few, title="Activity").note
    assert "A bar is a day" in timeline(many, title="Activity").note


@pytest.mark.parametrize(("days", "bar"), [(399, "a day"), (700, "2 days"), (2_000, "7 days"), (9_000, "28 days")])
def test_long_time_is_joined_without_loss(days: int, bar: str) -> None:
    each = [(str(date(1999, 1, 1) + timedelta(days=number)), 3) for number in range(days)]

    chart = timeline(each, title="Activity")

    assert bars(chart) <= MAX_BARS
    assert total(chart) == 3 * days
    assert f"A bar is {bar}" in chart.note


def test_forged_date_does_not_flatten_the_picture() -> None:
    days = [(str(date(2026, 1, 1) + timedelta(days=number)), 100) for number in range(30)]

    chart = timeline([*days, ("9999-12-31", 1), ("0001-01-01", 2)], title="Activity")

    assert bars(chart) == 30
    assert chart.rows[0] == ("earlier", 2)
    assert chart.rows[-1] == ("later", 1)
    assert "3 events with far-off dates are outside the picture" in chart.note


def test_nothing_to_draw_says_so() -> None:
    chart = timeline([("no day", 3), ("2026-01-01", 0)], title="Activity")

    assert chart.rows == ()
    assert "Nothing in this time" in chart.svg
    assert chart.note == "3 events have a date that is no day of the calendar."

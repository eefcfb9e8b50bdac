"""The days of a range of time, with room for the checkpoint after it."""

from __future__ import annotations

from datetime import date

import pytest

from telemetry.archive.reading.days import DayRange


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        ("", "", (None, None)),
        ("2026-03-02T12:00:00.000000Z", "2026-03-04T12:00:00.000000Z", (date(2026, 3, 2), date(2026, 3, 4))),
        ("2026-03-02T00:30:00.000000Z", "2026-03-04T23:30:00.000000Z", (date(2026, 3, 1), date(2026, 3, 5))),
        ("2026-03-02T01:30:00+02:00", "", (date(2026, 3, 1), None)),
    ],
)
def test_days_of_times(since: str, until: str, days: tuple[date | None, date | None]) -> None:
    assert DayRange.of_times(since, until) == days


def test_days_that_are_among_them() -> None:
    days = DayRange(date(2026, 3, 2), date(2026, 3, 4))

    assert [day for day in ("2026-03-01", "2026-03-02", "2026-03-04", "2026-03-05") if days.has(day)] == [
        "2026-03-02",
        "2026-03-04",
    ]
    assert DayRange().has("1970-01-01")

"""Times of the right form that the calendar does not have."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.format.calendar_time import is_in_calendar


@given(st.datetimes())
def test_every_moment_is_in_the_calendar(moment: datetime) -> None:
    assert is_in_calendar(moment.isoformat(timespec="microseconds") + "Z")


@pytest.mark.parametrize(
    "time",
    [
        "0000-01-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
    ],
)
def test_no_such_moment(time: str) -> None:
    assert not is_in_calendar(time)


@pytest.mark.parametrize("time", ["2024-02-29T23:59:59Z", "2000-02-29T00:00:00.5Z", "9999-12-31T23:59:59Z"])
def test_rare_moments(time: str) -> None:
    assert is_in_calendar(time)

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.reader.filters.moments import event_time, parse_moment, to_nanoseconds

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


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


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5Z"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000001Z"),
        ("2026-01-31T12:00:00.499999Z", "2026-01-31T12:00:00.5Z"),
    ],
)
def test_times_of_different_length_compare(earlier: str, later: str) -> None:
    assert to_nanoseconds(earlier) < to_nanoseconds(later)
    assert to_nanoseconds("2026-01-31T12:00:00.5Z") == to_nanoseconds("2026-01-31T12:00:00.500000Z")

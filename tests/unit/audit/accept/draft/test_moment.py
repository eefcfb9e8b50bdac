"""A moment in any usual form is written as one text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.accept.draft.moment import moment_text
from telemetry.format.calendar_time import is_in_calendar


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 31, 12, 0, 0, 120_000, UTC), "2026-01-31T12:00:00.12Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1))), "2025-12-31T23:30:00Z"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("2026-01-31 12:00:00.123456789+02:00", "2026-01-31T10:00:00.123456789Z"),
        ("2026-01-31T12:00:00,5-0530", "2026-01-31T17:30:00.5Z"),
        ("2026-01-31t12:00:00.10z", "2026-01-31T12:00:00.10Z"),
        (0, "1970-01-01T00:00:00Z"),
        (1_769_860_800, "2026-01-31T12:00:00Z"),
        (1_769_860_800.25, "2026-01-31T12:00:00.25Z"),
        (1_769_860_800_123, "2026-01-31T12:00:00.123Z"),
        (1_769_860_800_123_456, "2026-01-31T12:00:00.123456Z"),
        (1_769_860_800_123_456_789, "2026-01-31T12:00:00.123456789Z"),
        ("1769860800.5", "2026-01-31T12:00:00.5Z"),
        (Decimal("1769860800.000000001"), "2026-01-31T12:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ],
)
def test_usual_forms(value: Any, text: str) -> None:
    assert moment_text(value) == text


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T00:00:00Z", "2026-01-31T24:00:00Z"),
        *("2026-01-31T12:00:60Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "٢٠٢٦-01-31T12:00:00Z"),
        *("1e5", "nan", float("nan"), float("inf"), 10**21, 1 - 10**11, datetime(2026, 1, 1)),  # noqa: DTZ001
    ],
)
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(is|has) "):
        moment_text(value)


@pytest.mark.parametrize("value", [True, None, b"0", [], object()])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="not of type"):
        moment_text(value)


@given(st.integers() | st.floats() | st.text(max_size=40) | st.datetimes(timezones=st.timezones()))
def test_what_is_written_is_in_the_calendar(value: Any) -> None:
    try:
        text = moment_text(value)
    except ValueError:
        return
    assert is_in_calendar(text)
    assert text.endswith("Z")

from __future__ import annotations

from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.ingest.mapping.times import parse_zone, read_moment


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
        ("2024-02-29T23:59:59.1200Z", "2024-02-29T23:59:59.12Z"),
        ("2024-02-29T23:59:59.123456789012Z", "2024-02-29T23:59:59.123456789Z"),
        ("2024-03-01T01:30:00+02:00", "2024-02-29T23:30:00Z"),
        ("2024-03-01 01:30:00.5 +0200", "2024-02-29T23:30:00.5Z"),
        ("2024-03-01 01:30:00,5 UTC", "2024-03-01T01:30:00.5Z"),
        ("2024-03-01T01:30-00:30", "2024-03-01T02:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (1_709_251_199_120, "2024-02-29T23:59:59.12Z"),
        (1_709_251_199_000_005, "2024-02-29T23:59:59.000005Z"),
        (1_709_251_199_000_000_007, "2024-02-29T23:59:59.000000007Z"),
        ("1709251199", "2024-02-29T23:59:59Z"),
        ("1709251199.25", "2024-02-29T23:59:59.25Z"),
        (1_709_251_199.25, "2024-02-29T23:59:59.25Z"),
    ],
)
def test_a_time_becomes_rfc_3339_in_utc(value: Any, moment: str) -> None:
    assert read_moment(value) == moment


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "-",
        "yesterday",
        "2024-02-30T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:60Z",
        "2024-01-01T00:00:00",
        "2024-01-01",
        "9999-12-31T23:59:59-01:00",
        "2024-01-01T00:00:00+99:00",
        "2" * 5_000,
        0,
        -1,
        20_240_229,
        20_240_229_235_959,
        133_537_247_990_000_000,
        638_448_479_990_000_000,
        10**30,
        float("nan"),
        float("inf"),
        [],
        {},
        "\uff12\uff10\uff12\uff14-01-01T00:00:00Z",
    ],
)
def test_what_says_no_time_is_none(value: Any) -> None:
    assert read_moment(value) is None


def test_a_zone_completes_a_time_without_one() -> None:
    assert read_moment("2024-01-01T12:00:00", zone=UTC) == "2024-01-01T12:00:00Z"
    assert read_moment("2024-01-01T12:00:00", zone=timezone(timedelta(hours=2))) == "2024-01-01T10:00:00Z"
    assert read_moment("2024-01-01T12:00:00-01:00", zone=UTC) == "2024-01-01T13:00:00Z"


def test_zones_are_utc_or_offsets() -> None:
    assert parse_zone("utc", option="--time-zone") is UTC
    assert parse_zone("-05:30", option="--time-zone").utcoffset(None) == -timedelta(hours=5, minutes=30)
    with pytest.raises(ConfigurationError, match="--time-zone"):
        parse_zone("CET", option="--time-zone")

"""A time is a number with a unit, and never none."""

from __future__ import annotations

import pytest

from telemetry.cli.archiving.durations import seconds_of
from telemetry.exceptions import ConfigurationError


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), ("30s", 30), ("5m", 300), ("1h", 3_600), ("2d", 172_800)])
def test_units(text: str, seconds: float) -> None:
    assert seconds_of(text, option="--every") == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5m", "5 m", "5y", "\u0665m", "m", "1e3", "99999999"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--every: .* is not a time"):
        seconds_of(text, option="--every")

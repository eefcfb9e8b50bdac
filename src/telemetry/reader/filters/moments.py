"""Reads the times that a person writes, and brings times of events into a form in which their texts compare."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.clock import rfc3339

_AGO = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WHOLE_SECONDS = len("2026-01-31T12:00:00")
_DIGITS = 9


def parse_moment(text: str, name: str, *, now: datetime) -> datetime:
    """Return the moment that a person means by ``15m``, ``2h``, ``3d`` or ``1w`` (ago), or by an ISO 8601 time.

    Args:
        text: The text. A time without a zone is one in UTC.
        name: The field or option that has the text, for the error.
        now: The present time.

    Raises:
        ConfigurationError: The text is not a time, or one outside the years 1 to 9999.
    """
    try:
        ago = _AGO.fullmatch(text)
        if ago:
            return now.astimezone(UTC) - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]])
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        problem = Problem(name, f"{text[:64]!r} is not a time", "write 15m, 2h, 3d or 2026-01-31T12:00:00Z")
        raise ConfigurationError(problem) from exc


def event_time(moment: datetime) -> str:
    """Return a moment in the form of an event's time, so that the texts compare as the times do."""
    return rfc3339(moment, timespec="microseconds")


def to_nanoseconds(time: str) -> str:
    """Return a time of RFC 3339 in UTC with nine decimals, so that texts with fewer of them compare as the times do.

    Args:
        time: ``YYYY-MM-DDThh:mm:ssZ``, with at most nine decimals or none.
    """
    whole, decimals = time[:_WHOLE_SECONDS], time[_WHOLE_SECONDS + 1 : -1]
    return f"{whole}.{decimals:0<{_DIGITS}}Z"

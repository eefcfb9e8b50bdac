"""Says whether a text is a time in RFC 3339, and one of the calendar. It asks no clock, so it does not need ``datetime``."""

from __future__ import annotations

import re

_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY = 2
_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z", re.ASCII)


def has_time_form(text: str) -> bool:
    """Return whether a text has the form of a signed time, RFC 3339 in UTC; it may still name no day of the calendar."""
    return _FORM.fullmatch(text) is not None


def is_in_calendar(time: str) -> bool:
    """Return whether there is such a day, hour, minute and second.

    A text of the right form may still be a 30th of February, and code that computes with it would fail. Leap seconds
    are refused: Python has none.

    Args:
        time: ``YYYY-MM-DDThh:mm:ss``, all of it digits, and anything after that.
    """
    year, month, day = int(time[:4]), int(time[5:7]), int(time[8:10])
    hour, minute, second = int(time[11:13]), int(time[14:16]), int(time[17:19])
    if year < 1 or not 1 <= month <= len(_DAYS):
        return False
    days = _DAYS[month - 1] + (month == _FEBRUARY and _is_leap(year))
    return 1 <= day <= days and hour < 24 and minute < 60 and second < 60  # noqa: PLR2004 - hours, minutes, seconds


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)

"""Reads the time of an event as other makers write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from telemetry.exceptions import ConfigurationError, Problem

_NANOSECONDS = 9
_FIRST, _LAST = 946_684_800, 7_258_118_400
"""A number is a time of the years 2000 to 2199: no other reading, such as 20230710 or Windows' ticks, fits into them."""
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TEXT = 64

# RFC 3339 and what comes near: a blank for the T, a comma for the point, no seconds, an offset without colon or after a blank.
_WRITTEN = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,30}))?)?"
    r" ?(?:([Zz]|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2}))?",
    re.ASCII,
)
_NUMBER = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,30}))?", re.ASCII)
_OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def parse_zone(text: str, *, option: str) -> timezone:
    """Return the zone of times that name none.

    Args:
        text: ``UTC``, ``Z`` or an offset such as ``+02:00``.
        option: Where it was written, for the error.

    Raises:
        ConfigurationError: It is neither.
    """
    if text.upper() in {"UTC", "Z"}:
        return UTC
    if match := _OFFSET.fullmatch(text):
        return _zone(match[1], match[2], match[3])
    raise ConfigurationError(Problem(option, f"{text!r} is no zone", "write UTC, or an offset such as +02:00"))


def read_moment(value: Any, *, zone: timezone | None = None) -> str | None:
    """Return a time in RFC 3339, UTC, with at most nine decimals; None if the value does not say one.

    Args:
        value: Text near RFC 3339; or a number, also as text, of seconds, milliseconds, microseconds or nanoseconds
            since 1970, told apart by their magnitude.
        zone: Zone of a text that names none; without it, such a text does not say a time.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _since_epoch(value, "")
    # A float of seconds has no more than a few decimals worth the name; its shortest text is what the maker wrote.
    text = repr(value) if isinstance(value, float) else value
    if not isinstance(text, str) or len(text) > _MAX_TEXT:
        return None
    if match := _NUMBER.fullmatch(text.strip()):
        return _since_epoch(int(match[1]), match[2] or "")
    match = _WRITTEN.fullmatch(text.strip())
    return _written(match, zone) if match else None


def _written(match: re.Match[str], zone: timezone | None) -> str | None:
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = match.groups()
    try:
        if utc:
            zone = UTC
        elif sign:
            zone = _zone(sign, hours, minutes)
        if zone is None:
            return None
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
        return _rfc3339(moment.astimezone(UTC), fraction or "")
    except (ValueError, OverflowError):
        return None


def _since_epoch(number: int, fraction: str) -> str | None:
    for unit in _UNITS:
        if _FIRST * unit <= number < _LAST * unit:
            seconds, rest = divmod(number, unit)
            return _rfc3339(_EPOCH + timedelta(seconds=seconds), str(unit + rest)[1:] + fraction)
    return None


def _rfc3339(moment: datetime, fraction: str) -> str:
    decimals = fraction[:_NANOSECONDS].rstrip("0")
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}{'.' if decimals else ''}{decimals}Z"


def _zone(sign: str, hours: str, minutes: str) -> timezone:
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)

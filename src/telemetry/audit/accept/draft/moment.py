"""Writes a moment that a caller gives, in any usual form, as RFC 3339 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

_TEXT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:?[0-9]{2})",
    re.ASCII,
)
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,9})?", re.ASCII)
_UNITS = ((10**11, 1), (10**14, 1_000), (10**17, 1_000_000), (10**20, 1_000_000_000))
"""Below the first number of a pair, a number counts so many units a second: seconds, milli-, micro- and nanoseconds."""
_NANOSECONDS = 1_000_000_000


def moment_text(value: datetime | str | float | Decimal) -> str:
    """Return a moment as ``YYYY-MM-DDThh:mm:ss``, up to nine decimals, ``Z``.

    Args:
        value: A ``datetime`` with a time zone; a text in RFC 3339 with at most nine decimals, or a number as text; or a
            number since 1970-01-01 UTC. A number below 10^11 counts seconds, below 10^14 milliseconds, below 10^17
            microseconds, and above that nanoseconds.

    Raises:
        TypeError: The value is of another type.
        ValueError: It has no time zone, no such form, or is not within the years 1 to 9999.
    """
    if isinstance(value, datetime):
        return _of_datetime(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        message = f"must be a datetime, a text in RFC 3339 or a number, not of type {type(value).__name__}"
        raise TypeError(message)
    if isinstance(value, str):
        match = _TEXT.fullmatch(value)
        if match is not None:
            return _of_text(*match.groups())
        if not _NUMBER.fullmatch(value):
            message = "is not a time in RFC 3339 with a zone, such as 2026-01-31T12:00:00Z"
            raise ValueError(message)
    return _of_number(Decimal(value) if not isinstance(value, float) else Decimal(repr(value)))


def _of_datetime(value: datetime) -> str:
    if value.tzinfo is None:
        message = "has no time zone; use datetime.now(UTC), or replace(tzinfo=...)"
        raise ValueError(message)
    try:
        utc = value.astimezone(UTC)
    except OverflowError as exc:
        message = "is not within the years 1 to 9999"
        raise ValueError(message) from exc
    return _written(utc.replace(microsecond=0), utc.microsecond * 1_000)


def _of_text(date: str, time: str, decimals: str | None, zone: str) -> str:
    offset = "+00:00" if zone in "Zz" else f"{zone[:3]}:{zone[-2:]}"
    try:
        local = datetime.fromisoformat(f"{date}T{time}{offset}")
    except ValueError:
        message = "is no time of the calendar"
        raise ValueError(message) from None
    # Decimals do not change with the zone, so they are kept as they are.
    return _of_datetime(local).removesuffix("Z") + (f".{decimals}Z" if decimals else "Z")


def _of_number(value: Decimal) -> str:
    if not value.is_finite():
        message = "is NaN or infinite"
        raise ValueError(message)
    for limit, units in _UNITS:
        if abs(value) < limit:
            nanoseconds = int(value * (_NANOSECONDS // units))
            seconds, rest = divmod(nanoseconds, _NANOSECONDS)
            try:
                return _written(datetime.fromtimestamp(seconds, UTC), rest)
            except (OverflowError, OSError, ValueError):
                break
    message = "is not within the years 1 to 9999"
    raise ValueError(message)


def _written(second: datetime, nanoseconds: int) -> str:
    decimals = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return f"{second.replace(tzinfo=None).isoformat()}{decimals}Z"

"""Shows times of events: UTC first, which is what was signed, then the time of day where the reader is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from telemetry.pages.hostile_text import shown
from telemetry.pages.markup import Markup

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", re.ASCII)
_MAX_ZONE = 64


def utc(time: str, digits: int = 3) -> Markup:
    """Return a time as ``<time>``: ``2026-01-03 03:04:05.123 UTC``; a text that is no time is shown as it is.

    Args:
        time: RFC 3339 in UTC.
        digits: Most decimals of a second that are shown.
    """
    match = _MOMENT.fullmatch(time)
    if match is None:
        return shown(time, most=80)
    text = f"{match[1].replace('T', ' ')}{_fraction(match[2], digits)} UTC"
    return Markup('<time datetime="{}">{}</time>').format(time, text)


def local(time: str, zone: str | None) -> Markup:
    """Return the same time where the reader is, such as ``04:04:05 CET``; with the date if it is another one.

    Args:
        time: RFC 3339 in UTC.
        zone: IANA name such as ``Europe/Berlin``; nothing is returned for None, an unknown zone, and a text that is no time.
    """
    match = _MOMENT.fullmatch(time)
    if match is None or not is_zone(zone):
        return Markup()
    try:
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
        there = moment.astimezone(_zone(str(zone)))
    except (ValueError, OverflowError):  # no day of the calendar, or beyond its ends
        return Markup()
    # A time in another day than that of UTC would be misread without its date.
    day = "" if there.date() == moment.date() else there.strftime("%Y-%m-%d ")
    return Markup('<span class="local">{}</span>').format(f"{day}{there:%H:%M:%S} {there.tzname()}")


def is_zone(zone: str | None) -> bool:
    """Return whether a text is the name of a time zone that this machine knows."""
    if not zone or len(zone) > _MAX_ZONE:
        return False
    try:
        return bool(_zone(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown; no name of a zone; a folder
        return False


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _fraction(decimals: str | None, digits: int) -> str:
    return f".{decimals[:digits]}" if decimals else ""

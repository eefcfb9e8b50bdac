"""Recognizes UUIDs as this library writes them, and reads the creation time of a UUIDv7 (RFC 9562)."""

from __future__ import annotations

import re

UUID_PATTERN = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
"""Regular expression of a UUID in lower case with dashes, for use inside a larger one."""

_UUID = re.compile(UUID_PATTERN, re.ASCII)
_VERSION = "7"
_VERSION_DIGIT = 12
_MAX_SECONDS = 253_402_300_799  # the year 9999, where datetime ends


def is_uuid(text: str) -> bool:
    """Return whether ``text`` is a UUID of any version, in lower case with dashes.

    The ids of events, records, producers and fallback objects all have this form.
    """
    return _UUID.fullmatch(text) is not None


def created_at(uuid7: str) -> float | None:
    """Return when a UUIDv7 was created, in seconds since the epoch (RFC 9562 section 5.7).

    Returns:
        The time; None if the text is not a UUIDv7 or its time is after the year 9999.
    """
    digits = uuid7.replace("-", "")
    if len(digits) != 32 or digits[_VERSION_DIGIT] != _VERSION:  # noqa: PLR2004 - 128 bits in hexadecimal
        return None
    try:
        seconds = int(digits[:_VERSION_DIGIT], 16) / 1_000
    except ValueError:
        return None
    return seconds if seconds < _MAX_SECONDS else None

"""Reads how long something takes, as a person writes it."""

from __future__ import annotations

import re

from telemetry.exceptions import ConfigurationError, Problem

_DURATION = re.compile(r"([0-9]{1,7})([smhd]?)", re.ASCII)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}


def seconds_of(text: str, *, option: str) -> float:
    """Return the seconds of a text such as ``30s``, ``5m``, ``1h`` or ``2d``.

    Args:
        text: The text; a number alone is seconds.
        option: Option that has it, for the error.

    Raises:
        ConfigurationError: It is no time, or none at all.
    """
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _UNITS[match[2]] if match is not None else 0
    if not seconds:
        raise ConfigurationError(Problem(option, f"{text[:64]!r} is not a time", "write 30s, 5m, 1h or 2d"))
    return float(seconds)

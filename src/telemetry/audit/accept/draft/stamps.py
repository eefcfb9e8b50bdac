"""Gives each event its id and the time of logging, rendered as JSON members."""

from __future__ import annotations

import time
from collections.abc import Callable

import uuid_utils

from telemetry.format.value.template import ID_AND_TIME

_SECOND = 1_000_000_000


class Stamps:
    """Renders id and time; called by many threads at once, without a lock.

    Args:
        wall_clock: Nanoseconds since the epoch.
    """

    __slots__ = ("_last_second", "_wall_clock")

    def __init__(self, wall_clock: Callable[[], int] = time.time_ns) -> None:
        self._wall_clock = wall_clock
        # Beginning and text are one value: another thread may be in another second, or the clock may go back.
        self._last_second = (-_SECOND, b"")

    def next(self) -> tuple[str, bytes]:
        """Return a new id (UUIDv7), and id and time as JSON members, each after its comma."""
        now = self._wall_clock()
        second, text = self._last_second
        if not 0 <= now - second < _SECOND:
            second, text = self._second_of(now)
        event_id = str(uuid_utils.uuid7())
        return event_id, ID_AND_TIME % (event_id.encode(), text, (now - second) // 1_000)

    def _second_of(self, now: int) -> tuple[int, bytes]:
        """Return the start of the present second, and its text in RFC 3339 without the zone; remember both."""
        seconds = now // _SECOND
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode()
        self._last_second = second = seconds * _SECOND, text
        return second

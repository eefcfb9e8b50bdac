"""Computes times and days as an archive has them: in microseconds and in days since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime

from telemetry.archive.rows.columns import DAY_MICROSECONDS, MICROSECONDS
from telemetry.format.calendar_time import has_time_form

_MAX_SECONDS = 253_402_300_799
_AHEAD = DAY_MICROSECONDS
_LATE = 400 * DAY_MICROSECONDS
_MAX_KNOWN = 4_096
_FRACTION_DIGITS = 6


class Moments:
    """Reads the times of events, each second once; not safe for several threads."""

    def __init__(self) -> None:
        self._seconds: dict[bytes, int] = {}

    def of(self, second: bytes, fraction: bytes | None) -> int:
        """Return a time in microseconds since the epoch.

        Args:
            second: ``YYYY-MM-DDThh:mm:ss``.
            fraction: Up to six decimals; None if there are none.

        Raises:
            ValueError: There is no such day or second.
        """
        whole = self._seconds.get(second)
        if whole is None:
            if len(self._seconds) >= _MAX_KNOWN:
                self._seconds.clear()
            whole = self._seconds[second] = moment_of(second.decode() + "Z")
        if fraction is None or len(fraction) != _FRACTION_DIGITS:
            fraction = (fraction or b"").ljust(_FRACTION_DIGITS, b"0")
        return whole + int(fraction)


def moment_of(text: str) -> int:
    """Return a time of the format in microseconds since the epoch.

    Raises:
        ValueError: The text is not RFC 3339 in UTC, or names no moment of the calendar.
    """
    if not has_time_form(text):
        message = "not a time of this format"
        raise ValueError(message)
    since = datetime.fromisoformat(text) - datetime.fromtimestamp(0, UTC)
    return (since.days * 86_400 + since.seconds) * MICROSECONDS + since.microseconds


def kafka_moment(seconds: float | None) -> int | None:
    """Return Kafka's timestamp in microseconds since the epoch; None for one before it, or after the year 9999."""
    if seconds is None or not 0 <= seconds <= _MAX_SECONDS:
        return None
    return round(seconds * MICROSECONDS)


def day_of(moment: int | None, reference: int | None) -> int:
    """Return the day of an event: its own, or that of the reference if its clock cannot be believed.

    Otherwise one bad clock, or one forged record, would create partitions of days for ever.

    Args:
        moment: The event's own time; None if it has none.
        reference: Kafka's time, or that of the archiver for a record that Kafka never had; None if there is none.
    """
    if moment is None or (reference is not None and not reference - _LATE <= moment <= reference + _AHEAD):
        moment = reference or 0
    return moment // DAY_MICROSECONDS

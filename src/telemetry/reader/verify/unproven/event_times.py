"""Finds events of one producer that are dated far outside the times at which its checkpoints were signed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from telemetry.format.uuid7 import created_at
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.trusted_checkpoints import TrustedCheckpoints
from telemetry.reader.verify.verdicts import Finding, Verdict

TIME = b'","time":"'
"""Between the id of an event and its time."""
MAX_SIGHTINGS = 16
"""Records of one day that are remembered."""

_MAX_DAYS = 4_096
_TEXT_BYTES = 27
_SLACK = timedelta(days=1)


class EventTimes:
    """The days on which one producer's events are dated, with the first records of each.

    Attributes:
        days: The first records of each day, by the day's text.
    """

    __slots__ = ("days",)

    def __init__(self) -> None:
        self.days: dict[bytes, list[tuple[int, Place, str]]] = {}

    def add(self, value: bytes, at: int, sequence: int, place: Place) -> None:
        """Remember a record of a day of which few are known.

        Args:
            value: The record's value.
            at: Where ``TIME`` begins in it; negative if it does not.
            sequence: Sequence of the record.
            place: Place of the record.
        """
        if at < 0 or len(self.days) >= _MAX_DAYS:
            return
        start = at + len(TIME)
        text = value[start : start + _TEXT_BYTES].decode("ascii", "replace")
        self.days.setdefault(value[start : start + 10], []).append((sequence, place, text))

    def findings(self, producer: str, trusted: TrustedCheckpoints, tree: StreamTree) -> Iterator[Finding]:
        """Yield the proven events that are dated far outside the life of their producer.

        Args:
            producer: The producer; its id says when it began.
            trusted: Its checkpoints.
            tree: Knows which records are proven.
        """
        first, last = _moment(trusted.first_time), _moment(trusted.last_time)
        if first is None or last is None:
            return
        began = created_at(producer)
        if began is not None:
            first = min(first, datetime.fromtimestamp(began, UTC))
        for sightings in self.days.values():
            for sequence, place, text in sightings:
                moment = _moment(text)
                if moment is None or first - _SLACK <= moment <= last + _SLACK:
                    continue
                if tree.is_proven(sequence) and not tree.copies.is_blamed(sequence):
                    reason = (
                        f"the event is dated {text}, although its producer signed from {trusted.first_time} to "
                        f"{trusted.last_time}: its clock was wrong, or the event was logged at another time"
                    )
                    yield Finding(Verdict.UNVERIFIABLE, reason, sequence, sequence, str(place), "time")


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 1 < moment.year < 9_999 else None  # noqa: PLR2004 - room for a day

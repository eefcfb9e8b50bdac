"""Finds events of one producer that are dated far outside the times at which its checkpoints were signed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from telemetry.format.uuid7 import created_at
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.trusted_checkpoints import TrustedCheckpoints
from telemetry.reader.verify.verdicts import Finding, Verdict

MAX_SIGHTINGS = 4
"""Records of one day that are remembered."""
DAY_BYTES = len("YYYY-MM-DD")
SLACK = timedelta(days=1)
"""How far a clock may be set while a process runs."""

_TIME = b'","time":"'
_NO_DAY = b"\0"
"""In no record of this format."""
_MAX_MIDDLE = 160
_MAX_DAYS = 4_096
_TEXT_BYTES = 27


class EventTimes:
    """The days on which one producer's events are dated, with the first records of each.

    Attributes:
        day: The day of the last record, once enough records of it are known.
        distance: From the number of that record to its day.
    """

    __slots__ = ("_days", "day", "distance")

    def __init__(self) -> None:
        self.day = _NO_DAY
        self.distance = 0
        self._days: dict[bytes, list[tuple[int, Place, str]]] = {}

    def add(self, value: bytes, start: int, sequence: int, place: Place) -> None:
        """Remember a record, if few of its day are known.

        Args:
            value: The record's value.
            start: Where the digits of its sequence begin.
            sequence: Sequence of the record.
            place: Place of the record.
        """
        at = value.find(_TIME, start, start + _MAX_MIDDLE) + len(_TIME)
        if at < len(_TIME):
            return
        day = value[at : at + DAY_BYTES]
        sightings = self._days.get(day)
        if sightings is None:
            if len(self._days) >= _MAX_DAYS:
                return
            sightings = self._days[day] = []
        if len(sightings) < MAX_SIGHTINGS:
            text = value[at : at + _TEXT_BYTES].decode("ascii", "replace")
            sightings.append((sequence, place, text))
        else:
            self.day, self.distance = day, at - start

    def findings(self, producer: str, trusted: TrustedCheckpoints, tree: StreamTree) -> Iterator[Finding]:
        """Yield the proven events that are dated far outside the life of their producer.

        Args:
            producer: The producer; its id says when it began.
            trusted: Its checkpoints.
            tree: Knows which records are proven.
        """
        # The id is older than the first checkpoint, and in every record: a checkpoint of long ago admits nothing.
        first = beginning_of(producer) or _moment(trusted.first_time)
        last = _moment(trusted.last_time)
        if first is None or last is None:
            return
        earliest, latest = first - SLACK, last + SLACK
        usual = earliest.isoformat()[:DAY_BYTES].encode(), latest.isoformat()[:DAY_BYTES].encode()
        for day, sightings in self._days.items():
            # Most days are inside the life of the producer, and their records need not be looked at.
            for sequence, place, text in sightings if not usual[0] < day < usual[1] else ():
                moment = _moment(text)
                if moment is None or earliest <= moment <= latest:
                    continue
                # An outbox may have waited for its relay for days.
                if moment < earliest and sequence in trusted.relayed:
                    continue
                if tree.is_proven(sequence) and not tree.copies.is_blamed(sequence):
                    reason = (
                        f"the event is dated {text}, although its producer signed from {trusted.first_time} to "
                        f"{trusted.last_time}: its clock was wrong, or the event was logged at another time"
                    )
                    yield Finding(Verdict.UNVERIFIABLE, reason, sequence, sequence, str(place), "time")


def beginning_of(producer: str) -> datetime | None:
    """Return when a producer began, as its id says; None if it does not say so."""
    began = created_at(producer)
    return _moment(datetime.fromtimestamp(began, UTC).isoformat()) if began is not None else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None and 1 < moment.year < 9_999 else None  # noqa: PLR2004 - room for a day

"""Collects entries of the trail, and passes them to the index some hundred at a time."""

from __future__ import annotations

import time
from typing import Protocol

from telemetry.exceptions import (
    KeyCredentialsError,
    KeyMismatchError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
    UnknownKeysError,
)
from telemetry.explorer.index.event_index import EventIndex
from telemetry.format.value.message import parse
from telemetry.reader.entry import DamagedRecord, Entry, Proven, SealedEntry
from telemetry.reader.proof.places import PlaceReader

BATCH = 1_000
BATCH_SECONDS = 0.5
_PAUSE_OF_JUDGING = 10
"""How many times as long as judging took, it is not done again: it must not take the time of reading."""
_OUTAGES = (KeyUnreachableError, KeyThrottledError, KeyCredentialsError)
_NOT_ITS_KEY = (KeyMismatchError, UnknownKeysError)


class JudgingTrail(Protocol):
    """A trail that knows more than when it yielded its entries."""

    def judge(self, producer: str, source: str, sequence: int, leaf: bytes) -> tuple[Proven, str | None]:
        """Return whether a record is proven by now, and the gateway that logged it."""

    @property
    def judgements(self) -> int:
        """A number that rises whenever more can be judged."""


class Batch:
    """Entries on their way into the index; one thread uses it, the one that reads the trail.

    Args:
        index: The index.
        trail: The trail, which judges again.
    """

    def __init__(self, index: EventIndex, trail: JudgingTrail) -> None:
        self._index = index
        self._trail = trail
        self._places = PlaceReader()
        self._entries: list[Entry] = []
        self._read = 0
        self._passed_on = time.monotonic()
        self._judged = 0
        self._judge_after = 0.0

    def read(self) -> None:
        """Count a record that was read."""
        self._read += 1
        # Also where records are left out one after the other, such as checkpoints.
        if self._read >= BATCH:
            self.pass_on()

    def add(self, entry: Entry) -> None:
        """Add an entry.

        Raises:
            KeyServiceError: The key service is away: what it cannot open now is read again later.
        """
        self._entries.append(self._with_its_place(entry) if isinstance(entry, DamagedRecord) else entry)
        if len(self._entries) >= BATCH or time.monotonic() - self._passed_on >= BATCH_SECONDS:
            self.pass_on()

    def pass_on(self) -> None:
        """Put what was collected into the index, and judge again what is there, if more can be judged."""
        entries, read = self._entries, self._read
        self._entries, self._read = [], 0
        if entries:
            self._index.add(entries)
        if read:
            self._index.progress.advance(read)
        self._passed_on = time.monotonic()
        if self._trail.judgements != self._judged and self._passed_on >= self._judge_after:
            self.judge()

    def judge(self) -> None:
        """Judge again what nothing had proven when it came."""
        self._judged = self._trail.judgements
        began = time.monotonic()
        self._index.judge(self._trail.judge)
        ended = time.monotonic()
        self._judge_after = ended + _PAUSE_OF_JUDGING * (ended - began)

    def _with_its_place(self, entry: DamagedRecord) -> DamagedRecord | SealedEntry:
        """Return a record whose key this reader may not use as one that stays sealed: it is not damaged."""
        error, value = entry.error, entry.raw.value or b""
        if isinstance(error, _OUTAGES):
            raise error
        place = self._places.read(value)
        if (
            not isinstance(error, KeyServiceError)
            or isinstance(error, _NOT_ITS_KEY)
            or place is None
            or not place.source
        ):
            return entry
        attributes = parse(value).attributes
        return SealedEntry(
            event_id=attributes["id"],
            producer=place.producer,
            sequence=place.sequence,
            event_type=attributes["type"],
            time=attributes["time"],
            place=entry.place,
            raw=entry.raw,
            proven=self._trail.judge(*place)[0],
        )

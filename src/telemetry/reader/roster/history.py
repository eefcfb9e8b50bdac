"""Reads the rosters of one witness in order, checks that its log only grew, and remembers what it saw of each stream."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.entries import RangeEntry, SealEntry, StreamEntry, parse_entry
from telemetry.format.roster.roster import Roster, decode_roster, is_signed_by
from telemetry.reader.roster.timestamp import TimestampRoots
from telemetry.reader.trust.judgement import label_of
from telemetry.system.clock import rfc3339

MAX_PROBLEMS = 100
"""Problems of one log that are kept; one is enough not to believe that it is whole."""


class Sighting(NamedTuple):
    """A stream in one roster.

    Attributes:
        entry: The leaf about it.
        time: When the roster was signed, RFC 3339.
    """

    entry: StreamEntry
    time: str


class SealSighting(NamedTuple):
    """A seal in one roster.

    Attributes:
        entry: The leaf about it.
        time: When the roster was signed, RFC 3339.
    """

    entry: SealEntry
    time: str


@dataclass(slots=True)
class WitnessedStream:
    """What a witness saw of one stream.

    Attributes:
        sightings: It in each roster that has it, in the order of the rosters.
        is_chained: Each of its sizes was proven to extend the one before.
    """

    sightings: list[Sighting] = field(default_factory=list)
    is_chained: bool = True

    @property
    def latest(self) -> StreamEntry:
        """The last leaf about it."""
        return self.sightings[-1].entry

    def first_sighting(self, checkpoint: Checkpoint) -> Sighting | None:
        """Return the first sighting of what a checkpoint signs, or of more; None if there is none, or of another root."""
        at = bisect_left(self.sightings, checkpoint.size, key=_size)
        for sighting in islice(self.sightings, at, None):
            entry = sighting.entry
            if entry.size == checkpoint.size and entry.root != checkpoint.root:
                return None
            # The size may have been signed long before somebody signed that it is the last one.
            if entry.is_closed or not checkpoint.is_closing:
                return sighting
        return None


class RosterHistory:
    """The log of one witness.

    Args:
        key: The witness's public key.
        roots: Authorities of the time stamps that each roster must have; None without.

    Attributes:
        key: The witness's public key.
        log: The log so far.
        newest: The newest roster; None before the first.
        seen_last: When it was signed or, with time stamps, stamped, RFC 3339; empty before the first.
        streams: The streams that it saw, by producer and source.
        ranges: The last range of each partition, by topic and partition.
        seals: The seals that it saw of each archive, in the order of their numbers.
        gaps: What is absent from the log.
        faults: What the witness must never have signed.
        foreign: How many documents the witness did not sign.
    """

    def __init__(self, key: PublicKey, *, roots: TimestampRoots | None = None) -> None:
        self.key = key
        self._roots = roots
        self.log = Frontier()
        self.newest: Roster | None = None
        self.seen_last = ""
        self.streams: dict[tuple[str, str], WitnessedStream] = {}
        self.ranges: dict[tuple[str, int], RangeEntry] = {}
        self.seals: dict[str, list[SealSighting]] = {}
        self.gaps: list[str] = []
        self.faults: list[str] = []
        self.foreign = 0
        # Size and root that followed each size of the log: what a copy must have, and no other roster may have.
        self._continued: dict[int, tuple[int, bytes]] = {}

    @classmethod
    def read(cls, documents: Iterable[bytes], key: PublicKey, *, roots: TimestampRoots | None = None) -> RosterHistory:
        """Return the log that documents contain; those that the key did not sign count for nothing.

        Args:
            documents: Rosters as they were published, in the order of the log.
            key: The witness's public key.
            roots: Authorities of the time stamps that each roster must have; None without.
        """
        history = cls(key, roots=roots)
        for document in documents:
            try:
                roster = decode_roster(document)
            except (FormatError, TamperedError):
                history.foreign += 1
                continue
            if is_signed_by(roster, key):
                history.add(roster)
            else:
                history.foreign += 1
        return history

    @property
    def label(self) -> str:
        """Name and id of the witness's key."""
        return label_of(self.key)

    def sightings(self, producer: str, *, source: str, first: int = 0, end: int | None = None) -> list[Sighting]:
        """Return what was seen of a stream.

        Args:
            producer: The stream's producer.
            source: CloudEvents source of the stream.
            first: Smallest size.
            end: Sizes from here on are left out.
        """
        stream = self.streams.get((producer, source))
        if stream is None:
            return []
        start = bisect_left(stream.sightings, first, key=_size)
        return stream.sightings[start : None if end is None else bisect_left(stream.sightings, end, key=_size)]

    def last_seal(self) -> SealEntry | None:
        """Return the seal that the witness saw last, of whatever archive; None if it saw none."""
        newest = max((sightings[-1] for sightings in self.seals.values()), key=lambda seen: seen.time, default=None)
        return None if newest is None else newest.entry

    def add(self, roster: Roster) -> None:
        """Add a roster that the witness signed.

        1. It continues the log where no other roster does; a copy is passed over.
        2. The log before it is the log so far.
        3. Its time is later than that of the roster before.
        4. A time-stamping authority has seen it, if that is required; its time counts then.
        """
        # 1.
        known = self._continued.get(roster.start)
        if known is not None or roster.start < self.log.size:
            if known != (roster.size, roster.root):
                self._fault(f"two rosters continue the log at {roster.start}: it signed two histories")
            return
        self._continued[roster.start] = roster.size, roster.root
        # 2.
        before = roster.tree_before()
        if roster.start > self.log.size:
            self._gap(f"its rosters from {self.log.size} to {roster.start - 1} are absent")
        elif before.root() != self.log.root():
            self._fault(f"the roster at {roster.start} continues another log: it signed two histories")
        # 3.
        if self.newest is not None and datetime.fromisoformat(roster.time) <= datetime.fromisoformat(self.newest.time):
            self._fault(f"the roster at {roster.start} is not later than the one before it")
        # 4.
        self.seen_last = self._time_of(roster)
        self.log = roster.tree()
        self.newest = roster
        self._remember(roster, self.seen_last)

    def _time_of(self, roster: Roster) -> str:
        if self._roots is None:
            return roster.time
        try:
            return rfc3339(self._roots.time_of(roster), timespec="auto")
        except TamperedError as exc:
            self._gap(f"of the roster at {roster.start} no time stamp proves the time: {exc}")
            return roster.time

    def _remember(self, roster: Roster, time: str) -> None:
        for text in roster.entries:
            try:
                entry = parse_entry(text)
            except FormatError as exc:
                self._fault(f"the roster at {roster.start} has a leaf that cannot be read: {exc}")
                continue
            if isinstance(entry, RangeEntry):
                self.ranges[entry.topic, entry.partition] = entry
            elif isinstance(entry, SealEntry):
                self._remember_seal(SealSighting(entry, time))
            elif entry is not None:
                self._remember_stream(entry, time)

    def _remember_stream(self, entry: StreamEntry, time: str) -> None:
        name = entry.producer, entry.source
        stream = self.streams.get(name)
        if stream is None:
            stream = self.streams[name] = WitnessedStream()
        elif entry.size < stream.latest.size:
            self._fault(f"the stream {entry.producer} ({entry.source}) shrinks in its log")
            return
        stream.is_chained = stream.is_chained and entry.is_chained
        stream.sightings.append(Sighting(entry, time))

    def _remember_seal(self, seen: SealSighting) -> None:
        sightings = self.seals.setdefault(seen.entry.archive, [])
        if sightings and seen.entry.number <= sightings[-1].entry.number:
            self._fault(f"the archive {seen.entry.archive} does not grow in its log at seal {seen.entry.number}")
            return
        sightings.append(seen)

    def _gap(self, reason: str) -> None:
        if len(self.gaps) < MAX_PROBLEMS:
            self.gaps.append(reason)

    def _fault(self, reason: str) -> None:
        if len(self.faults) < MAX_PROBLEMS:
            self.faults.append(reason)


def _size(sighting: Sighting) -> int:
    return sighting.entry.size

"""Judges records by signed leaf hashes, and keeps the intervals of which a record is absent or altered."""

from __future__ import annotations

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.copies import DifferingCopy
from telemetry.reader.verify.tree.held_leaves import HeldLeaves
from telemetry.reader.verify.tree.proven import ProvenRecords, RecordCounts
from telemetry.reader.verify.tree.recent_places import RecentPlaces
from telemetry.reader.verify.tree.signed_leaves import SignedInterval, SignedIntervals


class LeafJudge:
    """Compares the copies of one producer's records with the leaf hashes that were signed for them.

    Args:
        held: Records that came out of sequence.
        proven: Gets the records that are the signed ones, and the copies that are not.
        counts: Counts of the stream's records.
        places: Where the last records were read, by sequence.

    Attributes:
        partial: Intervals whose leaves are signed, and of which a record is absent or altered.
    """

    __slots__ = ("_counts", "_held", "_places", "_proven", "partial")

    def __init__(self, held: HeldLeaves, proven: ProvenRecords, counts: RecordCounts, places: RecentPlaces) -> None:
        self._held = held
        self._proven = proven
        self._counts = counts
        self._places = places
        self.partial = SignedIntervals()

    def judge(self, interval: SignedInterval, first: bytes) -> None:
        """Judge what was read of an interval so far, and wait for the rest of it.

        Args:
            interval: The interval; nothing has arrived in it yet.
            first: Leaf hashes of its first records, which were read in sequence.
        """
        for at in range(0, len(first), HASH_BYTES):
            self._compare(interval, interval.start + at // HASH_BYTES, first[at : at + HASH_BYTES])
        held = list(self._held.window.present(interval.start, interval.end))
        packed = self._held.window.take(interval.start, interval.end)
        for number, sequence in enumerate(held):
            self._compare(interval, sequence, packed[number * HASH_BYTES : (number + 1) * HASH_BYTES])
        self._judge_copies(interval)
        self._counts.proven += interval.proven.bit_count()
        if interval.is_whole:
            self._proven.remember(interval.start, interval.leaves)
        else:
            self._held.window.charge(interval.end - interval.start)
            self.partial.add(interval)

    def arrive(self, interval: SignedInterval, sequence: int, leaf: bytes, place: Place) -> bool:
        """Judge a late copy of a record; return whether the signed record is read for the first time."""
        was_proven = interval.is_proven(sequence)
        self._counts.records += not interval.was_seen(sequence)
        if not interval.arrive(sequence, leaf):
            self._proven.copies.blame(DifferingCopy(sequence, leaf, place))
            return False
        if was_proven:
            self._counts.duplicates += 1
            return False
        self._counts.proven += 1
        if interval.is_whole:
            self.partial.remove(interval)
            self._held.window.charge(interval.start - interval.end)
            self._proven.remember(interval.start, interval.leaves)
        return True

    def _judge_copies(self, interval: SignedInterval) -> None:
        """Judge the copies that differ from the records read first."""
        copies = self._proven.copies
        for sequence in [number for number in copies.conflicts if interval.start <= number < interval.end]:
            for copy in copies.take(sequence):
                was_proven = interval.is_proven(sequence)
                if not interval.arrive(sequence, copy.leaf):
                    copies.blame(copy)
                elif was_proven:
                    self._counts.duplicates += 1

    def _compare(self, interval: SignedInterval, sequence: int, leaf: bytes) -> None:
        """Compare the record read first with the signed one."""
        if not interval.arrive(sequence, leaf):
            self._proven.copies.blame(DifferingCopy(sequence, leaf, self._places.get(sequence)))

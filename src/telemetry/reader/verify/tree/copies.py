"""Keeps the copies of records that differ from the copy read first, until a signed tree shows which one is right."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.entry import Place

MAX_COPIES = 1_024
"""Copies kept of one producer of each kind; further altered ones are counted, further unjudged ones wait outside."""
MAX_BLAMED = 1 << 16
"""Sequences of which an altered copy is known; with more, every unproven suspicion is dropped."""


class DifferingCopy(NamedTuple):
    """A copy of a record that differs from the one read first.

    Attributes:
        sequence: Sequence of the record.
        leaf: Leaf hash of the copy.
        place: Place of the copy; None where it is not known.
    """

    sequence: int
    leaf: bytes
    place: Place | None


class DifferingCopies:
    """The differing copies of one producer's records.

    Attributes:
        conflicts: Copies of records that are not proven, by sequence: either one may be right.
        altered: Copies that a signed tree has shown to be altered.
        more_altered: How many more of them there are.
    """

    __slots__ = ("_blamed", "_count", "altered", "conflicts", "more_altered")

    def __init__(self) -> None:
        self.conflicts: dict[int, list[DifferingCopy]] = {}
        self.altered: list[DifferingCopy] = []
        self.more_altered = 0
        self._blamed: set[int] = set()
        self._count = 0

    def add(self, copy: DifferingCopy) -> bool:
        """Keep a copy until it can be judged; return False if there is no room for it."""
        if self._count >= MAX_COPIES:
            return False
        conflict = self.conflicts.setdefault(copy.sequence, [])
        if all(copy.leaf != other.leaf for other in conflict):
            conflict.append(copy)
            self._count += 1
        return True

    def blame(self, copy: DifferingCopy) -> None:
        """Keep or count a copy that is not the record that was signed."""
        if len(self._blamed) < MAX_BLAMED:
            self._blamed.add(copy.sequence)
        if len(self.altered) < MAX_COPIES:
            self.altered.append(copy)
        else:
            self.more_altered += 1

    def is_blamed(self, sequence: int) -> bool:
        """Return whether a copy of this record may be altered, so that what is known of the number may be the copy's."""
        return sequence in self._blamed or len(self._blamed) >= MAX_BLAMED

    def take(self, sequence: int) -> list[DifferingCopy]:
        """Remove and return the copies of a record that wait to be judged."""
        conflict = self.conflicts.pop(sequence, [])
        self._count -= len(conflict)
        return conflict

    def clear(self) -> None:
        """Forget the copies that wait to be judged."""
        self.conflicts.clear()
        self._count = 0

    def judge(self, start: int, end: int) -> None:
        """Move the copies of the records in ``[start, end)`` to the altered ones: the records read first are proven."""
        if self.conflicts:
            for sequence in [sequence for sequence in self.conflicts if start <= sequence < end]:
                for copy in self.take(sequence):
                    self.blame(copy)

    def blame_first(self, start: int, leaves: bytes, right: list[DifferingCopy]) -> None:
        """Replace copies that proved to be right by the records read first, which are the altered ones.

        Args:
            start: Sequence of the first leaf hash.
            leaves: Leaf hashes of the records read first, one after the other.
            right: The copies that the signed tree holds.
        """
        for copy in right:
            at = (copy.sequence - start) * HASH_BYTES
            self.altered = [other for other in self.altered if other[:2] != copy[:2]]
            # The place of the record read first was not kept: nobody suspected it then.
            self.blame(DifferingCopy(copy.sequence, leaves[at : at + HASH_BYTES], None))

    def restore(self, conflicts: list[DifferingCopy], altered: list[DifferingCopy]) -> None:
        """Continue with the copies of an earlier verification."""
        self.altered = list(altered)
        self._blamed.update(copy.sequence for copy in altered)
        for copy in conflicts:
            self.add(copy)

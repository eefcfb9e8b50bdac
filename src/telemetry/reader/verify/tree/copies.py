"""Keeps the copies of records that differ from the copy read first, until a signed tree shows which one is right."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.format.proof.merkle import HASH_BYTES
from telemetry.reader.entry import Place

MAX_COPIES = 1_024
"""Copies kept of one producer; later ones are dropped, and the earlier ones show the attack."""


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
    """

    __slots__ = ("_count", "altered", "conflicts")

    def __init__(self) -> None:
        self.conflicts: dict[int, list[DifferingCopy]] = {}
        self.altered: list[DifferingCopy] = []
        self._count = 0

    def add(self, copy: DifferingCopy, *, is_proven: bool) -> None:
        """Keep a copy.

        Args:
            copy: The copy.
            is_proven: A signed tree holds the record that was read first, so this copy is altered.
        """
        self._count += 1
        if is_proven:
            if len(self.altered) < MAX_COPIES:
                self.altered.append(copy)
        elif self._count <= MAX_COPIES:
            self.conflicts.setdefault(copy.sequence, []).append(copy)

    def judge(self, start: int, end: int) -> None:
        """Move the copies of the records in ``[start, end)`` to the altered ones: the records read first are proven."""
        for sequence in [sequence for sequence in self.conflicts if start <= sequence < end]:
            self.altered += self.conflicts.pop(sequence)

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
            self.altered.append(DifferingCopy(copy.sequence, leaves[at : at + HASH_BYTES], None))

    def restore(self, conflicts: list[DifferingCopy], altered: list[DifferingCopy]) -> None:
        """Continue with the copies of an earlier verification."""
        self.altered = list(altered)
        for copy in conflicts:
            self.conflicts.setdefault(copy.sequence, []).append(copy)

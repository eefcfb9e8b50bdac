"""Keeps what looks wrong with a record until it is known whether the record is the stream's at all.

Anyone can write records under a producer's name. So what is wrong with one record counts only where a trusted key has
signed: below the signed size, and for what compares two records only if both are proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.verdicts import MAX_FINDINGS, Finding


class Suspicion(NamedTuple):
    """Something that may be wrong with records.

    Attributes:
        finding: The finding that it becomes.
        sequences: The records that it concerns.
        needs_proof: Whether it counts only if each of them is proven, and no copy of them was altered.
    """

    finding: Finding
    sequences: tuple[int, ...]
    needs_proof: bool


class Suspicions:
    """The suspicions of one producer, in bounded memory: of too many, those with the lowest sequences are kept.

    Args:
        tree: Knows what is proven.

    Attributes:
        dropped: How many were not kept.
    """

    __slots__ = ("_kept", "_tree", "dropped")

    def __init__(self, tree: StreamTree) -> None:
        self._tree = tree
        self._kept: list[Suspicion] = []
        self.dropped = 0

    def add(self, finding: Finding, *sequences: int, needs_proof: bool = False) -> None:
        """Keep a suspicion of records."""
        suspicion = Suspicion(finding, sequences, needs_proof)
        if suspicion in self._kept[-4:]:
            return
        self._kept.append(suspicion)
        if len(self._kept) > 2 * MAX_FINDINGS:
            # What lies beyond every signed record can be written at will, so the highest sequences go first.
            self._kept.sort(key=_highest)
            self.dropped += len(self._kept) - MAX_FINDINGS
            del self._kept[MAX_FINDINGS:]

    def confirmed(self) -> Iterator[Finding]:
        """Yield the findings about records that the stream has signed."""
        for suspicion in self._kept:
            if self._is_confirmed(suspicion):
                yield suspicion.finding

    def undecided(self) -> list[Suspicion]:
        """Return the suspicions of records that may still be signed."""
        size = self._tree.signed.size
        return [suspicion for suspicion in self._kept if _highest(suspicion) >= size]

    def compared(self) -> set[int]:
        """Return the records that seem to come after a later one."""
        return {suspicion.sequences[0] for suspicion in self._kept if suspicion.needs_proof}

    def forgive(self, sequences: set[int]) -> None:
        """Drop what was compared with these records: an earlier copy of them was read, and was out of memory."""
        self._kept = [each for each in self._kept if not (each.needs_proof and each.sequences[0] in sequences)]

    def restore(self, suspicions: list[Suspicion]) -> None:
        """Continue with the suspicions of an earlier verification."""
        self._kept += suspicions

    def _is_confirmed(self, suspicion: Suspicion) -> bool:
        if not suspicion.needs_proof:
            return _highest(suspicion) < self._tree.signed.size
        return all(
            self._tree.is_proven(sequence) and not self._tree.copies.is_blamed(sequence)
            for sequence in suspicion.sequences
        )


def _highest(suspicion: Suspicion) -> int:
    return max(suspicion.sequences)

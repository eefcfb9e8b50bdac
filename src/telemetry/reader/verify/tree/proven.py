"""Counts one producer's records and remembers which of them a signed tree has proven."""

from __future__ import annotations

from dataclasses import dataclass

from telemetry.reader.verify.tree.copies import DifferingCopies
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests


@dataclass(slots=True)
class RecordCounts:
    """How many of one producer's records were seen, and what became of them.

    Attributes:
        records: Records seen, copies not counted.
        proven: Records in a signed tree.
        duplicates: Copies that are byte for byte the same.
        uncompared: Copies of records whose digest is no longer known.
    """

    records: int = 0
    proven: int = 0
    duplicates: int = 0
    uncompared: int = 0

    def restore(self, other: RecordCounts) -> None:
        """Continue with the counts of an earlier verification."""
        self.records, self.proven = other.records, other.proven
        self.duplicates, self.uncompared = other.duplicates, other.uncompared


class ProvenRecords:
    """The records that signed trees hold, and the copies that differ from them.

    Args:
        digests: Remembers the beginnings of leaf hashes.
        counts: Shared with the stream's tree; only this class counts what is proven.

    Attributes:
        copies: The differing copies.
    """

    __slots__ = ("_counts", "_digests", "copies")

    def __init__(self, digests: ProvenDigests, counts: RecordCounts) -> None:
        self._digests = digests
        self._counts = counts
        self.copies = DifferingCopies()

    def move_to(self, budget: DigestBudget) -> None:
        """Count what will be remembered in another budget; nothing may be remembered yet."""
        self._digests.move_to(budget)

    def remember(self, start: int, leaves: bytes | bytearray) -> None:
        """Keep the digests of records whose leaf hashes are folded into a tree and dropped."""
        self._digests.add(start, leaves)

    def digest(self, sequence: int) -> bytes | None:
        """Return the beginning of a record's leaf hash, or None where it is no longer known."""
        return self._digests.get(sequence)

    def prove(self, start: int, end: int) -> None:
        """Count the records in ``[start, end)`` as proven, and judge their copies."""
        self._counts.proven += end - start
        self.copies.judge(start, end)

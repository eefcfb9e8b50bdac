"""Counts the records that no trusted key proves, and keeps a few examples of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_EXAMPLES = 20
"""Examples in a report: anyone may write such records, so their number must not matter."""
_MAX_REASON = 300


class ForeignKind(StrEnum):
    """Kinds of records that no trusted key proves.

    Attributes:
        JUNK: Values that are no record of this format.
        UNREADABLE: Records, batches or objects that the source could not read.
        CHECKPOINT: Checkpoints that prove nothing: of an unknown key, altered, or moved.
        STREAM: Records of producers without a checkpoint that is believed.
        BEYOND: Records after the last one that a trusted stream has signed.
        TRANSACTION: Records of Kafka transactions; this library writes none.
    """

    JUNK = "junk"
    UNREADABLE = "unreadable"
    CHECKPOINT = "checkpoint"
    STREAM = "stream"
    BEYOND = "beyond"
    TRANSACTION = "transaction"


@dataclass(frozen=True, slots=True)
class ForeignExample:
    """One foreign record.

    Attributes:
        kind: Kind of the record.
        place: Place of the record, as text; empty where it is not known.
        reason: Why nothing proves it.
    """

    kind: ForeignKind
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.place}: {self.reason}" if self.place else f"{self.kind}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRecords:
    """What no trusted key proves, in a bounded summary.

    Attributes:
        counts: Number of records of each kind; kinds without records are left out.
        examples: The first ones that were read.
        sources: Sources that such producers name, with the number of these producers; the most frequent first. The
            number is a lower bound: it counts the producers that were in memory.
    """

    counts: Mapping[ForeignKind, int] = field(default_factory=dict)
    examples: tuple[ForeignExample, ...] = ()
    sources: tuple[tuple[str, int], ...] = ()

    @property
    def total(self) -> int:
        """How many foreign records were read."""
        return sum(self.counts.values())

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        return {
            "total": self.total,
            "counts": {str(kind): count for kind, count in self.counts.items()},
            "examples": [
                {"kind": str(each.kind), "place": each.place or None, "reason": each.reason} for each in self.examples
            ],
            "sources": dict(self.sources),
        }


NO_FOREIGN_RECORDS = ForeignRecords()


class ForeignTally:
    """Counts foreign records while they are read, in bounded memory."""

    def __init__(self) -> None:
        self._counts: Counter[ForeignKind] = Counter()
        self._examples: list[ForeignExample] = []

    def add(self, kind: ForeignKind, *, reason: str, place: object = "") -> None:
        """Count a record, and keep it as an example while there is room.

        Args:
            kind: Kind of the record.
            reason: Why nothing proves it.
            place: Its place; rendered only if it becomes an example.
        """
        self._counts[kind] += 1
        if len(self._examples) < MAX_EXAMPLES:
            self._examples.append(ForeignExample(kind, str(place), reason[:_MAX_REASON]))

    def join(self, other: ForeignTally) -> None:
        """Add what was counted of another share of the trail."""
        self._counts.update(other._counts)
        self._examples += other._examples[: MAX_EXAMPLES - len(self._examples)]

    def summary(
        self, more: Mapping[ForeignKind, int] | None = None, *, sources: tuple[tuple[str, int], ...] = ()
    ) -> ForeignRecords:
        """Return the counts so far.

        Args:
            more: Records that were counted elsewhere.
            sources: Sources of producers without a checkpoint that is believed.
        """
        counts = self._counts + Counter(more or {})
        return ForeignRecords(
            counts={kind: counts[kind] for kind in ForeignKind if counts[kind]},
            examples=tuple(self._examples),
            sources=sources,
        )

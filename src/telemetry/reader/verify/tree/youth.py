"""Bounds a stream that nobody has signed for yet, and takes its records out of memory when there is no room left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from telemetry.reader.entry import Place
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow

YOUNG_STEP = 1_024
"""Records in sequence after which the room of a young stream is counted again."""
NOWHERE = Place("")
"""Stands for a place that is not known."""


class Outside(Protocol):
    """The place for records of one producer that find no room in its tree."""

    def put(self, sequence: int, leaf: bytes, place: Place | None) -> None:
        """Keep a record until it can be judged."""


class Youth:
    """The time of a stream before its first checkpoint that is believed.

    Args:
        window: Leaf hashes that came out of sequence; it has the budget of all young streams.
        outside: Takes what finds no room, also later; None where everything is kept.

    Attributes:
        is_over: A trusted key has signed for the stream, or it never was young.
    """

    __slots__ = ("_charged", "_outside", "_window", "is_over")

    def __init__(self, window: LeafWindow, outside: Outside | None) -> None:
        self._window = window
        self._outside = outside
        self._charged = 0
        self.is_over = outside is None

    def charge(self, tail: int) -> bool:
        """Count the leaf hashes of the tail in the budget; return whether there is room left."""
        self._window.charge(tail - self._charged)
        self._charged = tail
        return not self._window.is_full

    def end(self, room: LeafBudget) -> None:
        """Give the room of young streams back, and use that of trusted ones."""
        self._window.charge(-self._charged)
        self._window.move_to(room)
        self._charged, self.is_over = 0, True

    def put_out(self, sequence: int, leaf: bytes, place: Place | None) -> bool:
        """Keep a record outside until it can be judged; return False where there is no such place."""
        if self._outside is None:
            return False
        self._outside.put(sequence, leaf, None if place is NOWHERE else place)
        return True

    def move_out(self, records: Iterable[tuple[int, bytes, Place | None]]) -> None:
        """Keep all records of the stream outside, and give their room back."""
        for record in records:
            self.put_out(*record)
        self._window.charge(-self._charged)
        self._charged = 0

    def without_outside(self) -> Youth:
        """Return the same, but for records that were outside already and must not go there again."""
        inside = Youth(self._window, None)
        inside.is_over = self.is_over
        return inside

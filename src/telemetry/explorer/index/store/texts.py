"""Keeps the folded texts of rows one after the other, and finds the rows that have one."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Collection, Sequence

from telemetry.explorer.index.store.columns import Rows

_END = b"\xfe"
"""After the texts of a row; UTF-8 never has it."""
_PART = 4
"""Where less than this part of the rows is asked about, only those are looked at."""


class Texts:
    """Folded texts of the rows of a segment.

    Args:
        texts: The texts of all rows.
        ends: Where those of each row end.
        untold: Rows that have more text than is kept here.

    Attributes:
        untold: Rows that have more text than is kept here.
    """

    __slots__ = ("_ends", "_texts", "untold")

    def __init__(
        self, texts: bytes = b"", ends: array[int] | None = None, *, untold: frozenset[int] = frozenset()
    ) -> None:
        self._texts = texts
        self._ends = array("I") if ends is None else ends
        self.untold = untold

    def __len__(self) -> int:
        return len(self._ends)

    def weigh(self, row: int) -> int:
        """Return the bytes of a row's texts."""
        return self._ends[row] - self._start(row)

    def having(self, needles: Sequence[bytes], rows: Rows) -> Rows:
        """Return those of some rows that have one of these texts, or may have it because not all of their texts are here."""
        if len(rows) * _PART < len(self):
            return [row for row in rows if row in self.untold or any(self._has(row, needle) for needle in needles)]
        if len(needles) == 1 and not self.untold:
            found: Collection[int] = self._rows_with(needles[0])
        else:
            found = sorted(set(self.untold).union(*map(self._rows_with, needles)))
        if len(found) == len(self):
            return rows
        if len(rows) == len(self):
            return list(found)
        found = set(found)
        return [row for row in rows if row in found]

    def extended(self, texts: Sequence[bytes | None], *, untold: Sequence[int]) -> Texts:
        """Return the texts with further rows at the end.

        Args:
            texts: Texts of each new row; None for none.
            untold: Those of the new rows, counted from 0, that have more text than is given.
        """
        ends, parts = self._ends[:], [self._texts]
        end = len(self._texts)
        for text in texts:
            part = (text or b"") + _END
            parts.append(part)
            end += len(part)
            ends.append(end)
        return Texts(b"".join(parts), ends, untold=self.untold.union(len(self) + row for row in untold))

    def taken(self, rows: Rows) -> Texts:
        """Return the texts of these rows alone, in this order."""
        parts = [self._texts[self._start(row) : self._ends[row]] for row in rows]
        ends, end = array("I"), 0
        for part in parts:
            end += len(part)
            ends.append(end)
        untold = frozenset(at for at, row in enumerate(rows) if row in self.untold) if self.untold else frozenset()
        return Texts(b"".join(parts), ends, untold=untold)

    def _start(self, row: int) -> int:
        return self._ends[row - 1] if row else 0

    def _has(self, row: int, needle: bytes) -> bool:
        return self._texts.find(needle, self._start(row), self._ends[row]) >= 0

    def _rows_with(self, needle: bytes) -> list[int]:
        find, ends = self._texts.find, self._ends
        found: list[int] = []
        row = -1
        at = find(needle)
        while at >= 0:
            row += 1
            # A text that is in one row is often in the next one.
            if at >= ends[row]:
                row = bisect_right(ends, at, row)
            found.append(row)
            at = find(needle, ends[row])
        return found

"""Keeps one field of many rows: each value once, and its number for each row."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from sys import intern

Rows = Sequence[int]
"""Numbers of rows of a segment, ascending."""
Value = str | None
Meaning = Callable[[str], int | None]
"""What a value means as a number; computed once for each value, when it comes."""
_VALUE_BYTES = 120
"""Memory of a value beside its characters: the object, and its places in the list and the table of values."""


class Column:
    """A field of the rows of a segment. It is not changed once others can see it, except by :meth:`put`.

    Args:
        meaning: What a value means, where a search compares that.
        repeats: Whether the same values come again in other segments, so that one copy is kept of each.
    """

    __slots__ = ("_codes", "_meaning", "_meanings", "_numbers", "_repeats", "_values")

    def __init__(self, meaning: Meaning | None = None, *, repeats: bool = True) -> None:
        self._meaning = meaning
        self._repeats = repeats
        # The number of each row's value, the values by their numbers, what they mean, and their numbers by value.
        self._codes = array("H")
        self._values: list[Value] = []
        self._meanings: list[int | None] = []
        self._numbers: dict[Value, int] = {}

    def __getitem__(self, row: int) -> Value:
        return self._values[self._codes[row]]

    def value(self, code: int) -> Value:
        """Return the value with a number."""
        return self._values[code]

    @property
    def weight(self) -> int:
        """Bytes of memory of the values, about."""
        return sum(map(len, filter(None, self._values))) + _VALUE_BYTES * len(self._values)

    def extended(self, values: Iterable[Value]) -> Column:
        """Return the column with further rows at the end."""
        column = Column(self._meaning, repeats=self._repeats)
        column._values, column._meanings = self._values[:], self._meanings[:]
        column._numbers = self._numbers.copy()
        column._codes = self._codes + array("H", [column._number(value) for value in values])
        return column

    def taken(self, rows: Rows) -> Column:
        """Return the column with these rows alone, in this order."""
        column = Column(self._meaning, repeats=self._repeats)
        moved: dict[int, int] = {}
        codes = [moved.setdefault(code, len(moved)) for code in taken_from(self._codes, rows)]
        column._codes = array("H", codes)
        column._values = [self._values[code] for code in moved]
        column._meanings = [self._meanings[code] for code in moved] if self._meaning else []
        column._numbers = {value: number for number, value in enumerate(column._values)}
        return column

    def put(self, row: int, value: Value) -> None:
        """Give a row another value; only the thread that writes the index calls this."""
        self._codes[row] = self._number(value)

    def having(self, values: Iterable[Value], rows: Rows) -> Rows:
        """Return those of some rows that have one of these values."""
        numbers = self._numbers
        return self._with({numbers[value] for value in values if value in numbers}, rows)

    def meeting(self, accepts: Callable[[Value], bool], rows: Rows) -> Rows:
        """Return those of some rows whose value is accepted; each value is asked about once."""
        return self._with({number for number, value in enumerate(self._values) if accepts(value)}, rows)

    def meaning(self, find: Callable[[Sequence[int | None]], set[int]], rows: Rows) -> Rows:
        """Return those of some rows whose value means what is wanted.

        Args:
            find: Returns the positions of what is wanted among what all values mean.
            rows: The rows.
        """
        return self._with(find(self._meanings), rows)

    def codes(self, rows: Rows) -> Iterable[int]:
        """Return the number of the value of each of some rows."""
        if isinstance(rows, range):
            return self._codes[rows.start : rows.stop]
        return map(self._codes.__getitem__, rows)

    def among(self, rows: Rows) -> Iterator[Value]:
        """Yield the value of each of some rows."""
        return map(self._values.__getitem__, self.codes(rows))

    def count(self, rows: Rows) -> Counter[Value]:
        """Return how many of some rows have each value."""
        return Counter({self._values[number]: count for number, count in Counter(self.codes(rows)).items()})

    def _number(self, value: Value) -> int:
        """Return the number of a value; one that is new gets the next."""
        number = self._numbers.get(value)
        if number is None:
            kept = intern(value) if value is not None and self._repeats else value
            number = len(self._values)
            if self._meaning is not None:
                self._meanings.append(None if kept is None else self._meaning(kept))
            self._values.append(kept)
            self._numbers[kept] = number
        return number

    def _with(self, wanted: Collection[int], rows: Rows) -> Rows:
        if not wanted:
            return ()
        if len(wanted) == len(self._values):
            return rows
        if len(wanted) == 1:
            (number,) = wanted
            return [row for row, code in zip(rows, self.codes(rows), strict=True) if code == number]
        return [row for row, code in zip(rows, self.codes(rows), strict=True) if code in wanted]


def taken_from(column: array[int], rows: Rows) -> array[int]:
    """Return an array with these items of another one."""
    if isinstance(rows, range):
        return column[rows.start : rows.stop]
    if len(rows) == 1:
        return array(column.typecode, (column[rows[0]],))
    return array(column.typecode, itemgetter(*rows)(column) if rows else ())

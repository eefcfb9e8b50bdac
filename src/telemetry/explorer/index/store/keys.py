"""Keeps the order of rows: their times, ids and leaf hashes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from uuid import UUID

from telemetry.explorer.index.store.columns import Rows
from telemetry.explorer.index.store.line import Key, Line, is_plain_time

_TIME = len("2026-01-31T12:00:00.123456Z")
_ID, _LEAF = 16, 32


class Keys:
    """Times, ids and leaf hashes of the rows of a segment, in order.

    Args:
        times: The times, one after the other, each of the same length.
        ids: The ids likewise.
        leaves: The leaf hashes likewise.
        odd_times: Times that no library wrote, by row.
        odd_ids: Ids that are no UUID, by row.
    """

    __slots__ = ("_ids", "_leaves", "_odd_ids", "_odd_times", "_times")

    def __init__(
        self,
        times: str = "",
        ids: bytes = b"",
        leaves: bytes = b"",
        *,
        odd_times: dict[int, str] | None = None,
        odd_ids: dict[int, str] | None = None,
    ) -> None:
        self._times, self._ids, self._leaves = times, ids, leaves
        self._odd_times = odd_times or {}
        self._odd_ids = odd_ids or {}

    def __len__(self) -> int:
        return len(self._ids) // _ID

    def __getitem__(self, row: int) -> Key:
        return self.time(row), self._ids[row * _ID : (row + 1) * _ID], self.leaf(row)

    def time(self, row: int) -> str:
        """Return the time of a row."""
        odd = self._odd_times.get(row) if self._odd_times else None
        return self._times[row * _TIME : (row + 1) * _TIME] if odd is None else odd

    def leaf(self, row: int) -> bytes:
        """Return the leaf hash of a row's record."""
        return self._leaves[row * _LEAF : (row + 1) * _LEAF]

    def event_id(self, row: int) -> str:
        """Return the id of a row."""
        odd = self._odd_ids.get(row) if self._odd_ids else None
        return str(UUID(bytes=self._ids[row * _ID : (row + 1) * _ID])) if odd is None else odd

    @property
    def weight(self) -> int:
        """Characters of what is kept apart."""
        return sum(map(len, self._odd_times.values())) + sum(map(len, self._odd_ids.values()))

    def position(self, key: Key) -> int:
        """Return the number of rows before a key."""
        return bisect_left(range(len(self)), key, key=self.__getitem__)

    def row_of(self, key: Key) -> int | None:
        """Return the row with a key; None if there is none."""
        row = self.position(key)
        return row if row < len(self) and self[row] == key else None

    def between(self, since: str, until: str) -> range:
        """Return the rows with a time within two; an empty one is no bound."""
        rows = range(len(self))
        first = bisect_left(rows, since, key=self.time) if since else 0
        # Nothing comes after all texts that begin with the time but a later time.
        last = bisect_left(rows, True, lo=first, key=lambda row: self.time(row) > until) if until else len(self)  # noqa: FBT003 - compared
        return range(first, max(first, last))

    def rows_with_id(self, id_bytes: bytes) -> list[int]:
        """Return the rows with an id."""
        found, at = [], self._ids.find(id_bytes)
        while at >= 0:
            if at % _ID == 0:
                found.append(at // _ID)
            at = self._ids.find(id_bytes, at + 1)
        return found

    def extended(self, lines: Sequence[Line]) -> Keys:
        """Return the keys with further rows at the end."""
        odd_times = dict(self._odd_times)
        odd_ids = dict(self._odd_ids)
        for row, line in enumerate(lines, len(self)):
            if not is_plain_time(line.time):
                odd_times[row] = line.time
            if line.odd_id is not None:
                odd_ids[row] = line.odd_id
        return Keys(
            self._times + "".join([line.time if is_plain_time(line.time) else "?" * _TIME for line in lines]),
            self._ids + b"".join([line.id_bytes for line in lines]),
            self._leaves + b"".join([line.leaf for line in lines]),
            odd_times=odd_times,
            odd_ids=odd_ids,
        )

    def taken(self, rows: Rows) -> Keys:
        """Return the keys of these rows alone, in this order."""
        return Keys(
            "".join([self._times[row * _TIME : (row + 1) * _TIME] for row in rows]),
            b"".join([self._ids[row * _ID : (row + 1) * _ID] for row in rows]),
            b"".join(map(self.leaf, rows)),
            odd_times=_moved(self._odd_times, rows),
            odd_ids=_moved(self._odd_ids, rows),
        )


def _moved(odd: dict[int, str], rows: Iterable[int]) -> dict[int, str]:
    return {at: odd[row] for at, row in enumerate(rows) if row in odd} if odd else {}

"""Keeps some thousand rows that follow each other in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from telemetry.explorer.index.row import Content, Row
from telemetry.explorer.index.store.columns import Column, Rows
from telemetry.explorer.index.store.contents import Contents
from telemetry.explorer.index.store.keys import Keys
from telemetry.explorer.index.store.line import COLUMNS, FOREIGN, HIDDEN, OPENED, SEALED, Line
from telemetry.explorer.index.store.positions import Positions
from telemetry.reader.entry import Proven
from telemetry.reader.filters.addresses import address_number

PROVEN = tuple(Proven)
PENDING, NO = PROVEN.index(Proven.PENDING), PROVEN.index(Proven.NO)
_MOSTLY_UNIQUE = frozenset(("thing", "address", "session", "correlation", "occurred"))
_MEANINGS = {"address": address_number}
_ROW_BYTES = 180
"""Memory of a row beside its texts."""


class Segment:
    """Rows in the order of their keys. Once it is visible to others, only what a row is worth changes.

    Args:
        keys: Times, ids and leaf hashes.
        positions: Where the records are.
        columns: Fields, by the names of :data:`COLUMNS`.
        contents: What was inside the seals.
        proven: Position in :data:`PROVEN` for each row.
        flags: Bits for each row.

    Attributes:
        keys: Times, ids and leaf hashes.
        positions: Where the records are.
        columns: Fields by name.
        contents: What was inside the seals.
        proven: Position in :data:`PROVEN` for each row.
        flags: Bits for each row.
        weight: Bytes of memory, about.
    """

    __slots__ = ("columns", "contents", "flags", "keys", "positions", "proven", "weight")

    def __init__(
        self,
        keys: Keys | None = None,
        positions: Positions | None = None,
        columns: Mapping[str, Column] | None = None,
        contents: Contents | None = None,
        *,
        proven: bytearray | None = None,
        flags: bytearray | None = None,
    ) -> None:
        self.keys = keys or Keys()
        self.positions = positions or Positions()
        self.columns = columns or {
            name: Column(_MEANINGS.get(name), repeats=name not in _MOSTLY_UNIQUE) for name in COLUMNS
        }
        self.contents = contents or Contents()
        self.proven = bytearray() if proven is None else proven
        self.flags = bytearray() if flags is None else flags
        texts = sum(column.weight for column in self.columns.values()) + self.keys.weight + self.positions.weight
        self.weight = _ROW_BYTES * len(self) + texts + self.contents.weight

    def __len__(self) -> int:
        return len(self.proven)

    @property
    def rows(self) -> range:
        """All rows."""
        return range(len(self))

    def extended(self, lines: Sequence[Line]) -> Segment:
        """Return the segment with further rows at the end; they need not be in order."""
        fields = zip(*(line.values for line in lines), strict=True)
        return Segment(
            self.keys.extended(lines),
            self.positions.extended(lines),
            {name: self.columns[name].extended(values) for name, values in zip(COLUMNS, fields, strict=True)},
            self.contents.extended(lines),
            proven=self.proven + bytes(PROVEN.index(line.proven) for line in lines),
            flags=self.flags + bytes(line.flags for line in lines),
        )

    def taken(self, rows: Rows) -> Segment:
        """Return a segment of these rows alone, in this order."""
        return Segment(
            self.keys.taken(rows),
            self.positions.taken(rows),
            {name: column.taken(rows) for name, column in self.columns.items()},
            self.contents.taken(rows),
            proven=bytearray(map(self.proven.__getitem__, rows)),
            flags=bytearray(map(self.flags.__getitem__, rows)),
        )

    def repacked(self) -> Segment:
        """Return the same rows in less memory, for a segment to which nothing is added any more."""
        contents = self.contents.repacked()
        if contents is self.contents:
            return self
        return Segment(self.keys, self.positions, self.columns, contents, proven=self.proven, flags=self.flags)

    def in_order(self) -> Segment:
        """Return the same rows in the order of their keys."""
        order = sorted(self.rows, key=self.keys.__getitem__)
        return self if order == list(self.rows) else self.taken(order)

    def flagged(self, bit: int, rows: Rows, *, wanted: bool = True) -> Rows:
        """Return those of some rows that have a flag, or lack it."""
        kinds = kinds_of(self.flags)
        matching = [kind for kind in kinds if bool(kind & bit) is wanted]
        if not matching:
            return ()
        if len(matching) == len(kinds):
            return rows
        flags = self.flags
        return [row for row in rows if bool(flags[row] & bit) is wanted]

    def weigh(self, row: int) -> int:
        """Return the bytes of memory of a row, about, without what it has in common with others."""
        return _ROW_BYTES + self.contents.weigh(row)

    def row(self, number: int) -> Row:
        """Return what is said of a row, with its content."""
        columns, flags = self.columns, self.flags[number]
        return Row(
            event_id=self.keys.event_id(number),
            time=self.keys.time(number),
            event_type=columns["type"][number] or "",
            service=columns["service"][number] or "",
            producer=columns["producer"][number] or "",
            sequence=self.positions.sequences[number],
            place=self.positions.place(number),
            leaf=self.keys.leaf(number),
            proven=PROVEN[self.proven[number]],
            is_sealed=bool(flags & SEALED),
            is_foreign=bool(flags & FOREIGN),
            is_opened=bool(flags & OPENED),
            is_type_hidden=bool(flags & HIDDEN),
            via=columns["via"][number],
            content=self._content(number) if flags & OPENED else None,
        )

    def judge(self, judged: Callable[[str, str, int, bytes], tuple[Proven, str | None]]) -> int:
        """Judge the rows again that nothing has proven yet; return how many are judged now."""
        settled = 0
        producers, services, sequences = self.columns["producer"], self.columns["service"], self.positions.sequences
        row = self.proven.find(PENDING)
        while row >= 0:
            proven, via = judged(producers[row] or "", services[row] or "", sequences[row], self.keys.leaf(row))
            if proven is not Proven.PENDING:
                settled += 1
                self.settle(row, proven, via=via)
            row = self.proven.find(PENDING, row + 1)
        return settled

    def settle(self, row: int, proven: Proven, *, via: str | None) -> None:
        """Note what a row is worth, if that was not known."""
        if self.proven[row] != PENDING or proven is Proven.PENDING:
            return
        if proven is Proven.YES:
            # What is signed belongs to the trail, also in the clear.
            self.flags[row] &= ~FOREIGN
            if via is not None:
                self.columns["via"].put(row, via)
        self.proven[row] = PROVEN.index(proven)

    def _content(self, number: int) -> Content:
        columns = self.columns
        return Content(
            user_id=columns["user"][number] or "",
            actor_id=columns["actor"][number],
            actor_type=columns["actor_type"][number],
            tenant_id=columns["tenant"][number],
            entity=columns["kind"][number],
            entity_id=columns["thing"][number],
            action=columns["action"][number],
            outcome=columns["outcome"][number],
            ip_address=columns["address"][number],
            session_id=columns["session"][number],
            correlation_id=columns["correlation"][number],
        )


def kinds_of(values: bytearray) -> set[int]:
    """Return the different values of rows; mostly there is one, which is seen much faster than a set is made."""
    first = bytes(values[:1])
    return {*first, *values.translate(None, first)}

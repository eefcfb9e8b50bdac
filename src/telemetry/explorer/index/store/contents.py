"""Keeps what was inside the seal of rows: texts to search, things acted upon, and the events themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from telemetry.explorer.index.store.bodies import Body, BodyReader, packed
from telemetry.explorer.index.store.columns import Rows
from telemetry.explorer.index.store.line import Line
from telemetry.explorer.index.store.texts import Texts

_TEXT_BYTES = 41
"""Memory of a text of its own beside its bytes."""
_BODY_BYTES = 72
_FEW = 8
"""Events of a block on average, below which the events are packed again."""


class Contents:
    """Contents of the rows of a segment.

    Args:
        texts: Folded texts.
        bodies: The events; None where they were not opened.
        targets: Kinds and things of the rows that have several.

    Attributes:
        texts: Folded texts.
    """

    __slots__ = ("_bodies", "_targets", "texts")

    def __init__(
        self,
        texts: Texts | None = None,
        bodies: list[Body | None] | None = None,
        targets: dict[int, tuple[str, ...]] | None = None,
    ) -> None:
        self.texts = Texts() if texts is None else texts
        self._bodies: list[Body | None] = [] if bodies is None else bodies
        self._targets = targets or {}

    def body(self, row: int) -> Body | None:
        """Return the event of a row; None if it was not opened."""
        return self._bodies[row]

    def rows_with_target(self, wanted: frozenset[str]) -> list[int]:
        """Return the rows that have one of these things, or kinds of things, among several."""
        return [row for row, targets in self._targets.items() if not wanted.isdisjoint(targets)]

    @property
    def weight(self) -> int:
        """Bytes of memory."""
        return sum(map(self.weigh, range(len(self._bodies))))

    def weigh(self, row: int) -> int:
        """Return the bytes of memory of a row."""
        weight, body = self.texts.weigh(row), self._bodies[row]
        if body is not None:
            weight += _BODY_BYTES + body[0].weight
        targets = self._targets.get(row) if self._targets else None
        return weight + sum(len(target) + _TEXT_BYTES for target in targets or ())

    def extended(self, lines: Sequence[Line]) -> Contents:
        """Return the contents with further rows at the end."""
        places = packed(line.body for line in lines if line.body is not None)
        bodies = [None if line.body is None else next(places) for line in lines]
        untold = [row for row, line in enumerate(lines) if line.text is None and line.body is not None]
        targets = {row: line.targets for row, line in enumerate(lines, len(self._bodies)) if line.targets}
        return Contents(
            self.texts.extended([line.text for line in lines], untold=untold),
            self._bodies + bodies,
            {**self._targets, **targets},
        )

    def taken(self, rows: Rows) -> Contents:
        """Return the contents of these rows alone, in this order."""
        targets = self._targets
        return Contents(
            self.texts.taken(rows),
            [self._bodies[row] for row in rows],
            {at: targets[row] for at, row in enumerate(rows) if row in targets} if targets else {},
        )

    def repacked(self) -> Contents:
        """Return the same contents; events that came one by one are compressed together."""
        kept = [body for body in self._bodies if body is not None]
        blocks = {id(body[0]) for body in kept}
        if len(kept) > _FEW * len(blocks):
            return self
        reader = BodyReader()
        places: Iterable[Body] = packed(map(reader.json, kept))
        again = iter(places)
        return Contents(self.texts, [None if body is None else next(again) for body in self._bodies], self._targets)

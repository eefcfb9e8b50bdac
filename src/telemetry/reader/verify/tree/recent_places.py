"""Remembers where the last records of a producer were read, so that an altered one can be named by its place."""

from __future__ import annotations

from telemetry.reader.entry import Place

MAX_PLACES = 16_384
"""Places that are remembered of one producer, of each of the two kinds."""


class RecentPlaces:
    """Places by sequence. Nearly all records come in sequence and are proven soon: these cost an entry of a list.

    Attributes:
        run: Places of the last records that came in sequence; the stream's tree appends to it.
    """

    __slots__ = ("_apart", "_start", "run")

    def __init__(self) -> None:
        self.run: list[Place] = []
        self._start = 0
        self._apart: dict[int, Place] = {}

    def put(self, sequence: int, place: Place) -> None:
        """Remember a record that came out of sequence, while there is room."""
        if len(self._apart) < MAX_PLACES:
            self._apart[sequence] = place

    def get(self, sequence: int) -> Place | None:
        """Return where a record was read first; None if that is not known any more."""
        at = sequence - self._start
        return self.run[at] if 0 <= at < len(self.run) else self._apart.get(sequence)

    def drop(self, end: int) -> None:
        """Forget the records before ``end`` that came in sequence: they are proven."""
        count = min(end - self._start, len(self.run))
        if count > 0:
            del self.run[:count]
            self._start += count

    def go_on(self, following: int, *, judged: int) -> None:
        """Prepare for the next record in sequence, and keep no more than there is room for.

        Args:
            following: Its number.
            judged: The records before this one are judged; they are forgotten first.
        """
        if self._start + len(self.run) != following:
            self._apart.update(enumerate(self.run[-MAX_PLACES:], self._start + max(len(self.run) - MAX_PLACES, 0)))
            self.run.clear()
            self._start = following
        elif len(self.run) > MAX_PLACES:
            self.drop(following - MAX_PLACES // 2)
        if len(self._apart) > MAX_PLACES:
            self._make_room(judged)

    def clear(self) -> None:
        """Forget everything; the next record in sequence is the first one."""
        self.run.clear()
        self._apart.clear()
        self._start = 0

    def _make_room(self, judged: int) -> None:
        for sequence in [sequence for sequence in self._apart if sequence < judged]:
            del self._apart[sequence]
        for sequence in list(self._apart)[: -MAX_PLACES // 2]:
            del self._apart[sequence]

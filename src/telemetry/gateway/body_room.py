"""Bounds the bytes of all bodies that are worked on at once, so that many large requests cannot fill the memory."""

from __future__ import annotations

from collections import Counter
from types import TracebackType
from typing import Self

from telemetry.gateway.places import TIMES_FREE


class BodyRoom:
    """The bytes that bodies may take together; used in one event loop.

    An owner with several bodies may use three times what is free, as of :class:`Places`; a single body may have all of it.

    Args:
        max_bytes: The bound.

    Attributes:
        free: Bytes that no body takes.
    """

    def __init__(self, max_bytes: int) -> None:
        self.free = max_bytes
        self._used: Counter[str] = Counter()
        self._bodies: Counter[str] = Counter()

    def share(self, owner: str) -> BodyShare:
        """Return the part that one request takes, for a ``with`` block around all work on its body.

        Args:
            owner: Service whose request it is.
        """
        return BodyShare(self, owner)

    def begin(self, owner: str) -> None:
        """Count a body."""
        self._bodies[owner] += 1

    def take(self, owner: str, size: int) -> bool:
        """Take bytes for a body; return whether this owner may have them."""
        left = self.free - size
        if left < 0 or (self._bodies[owner] > 1 and self._used[owner] + size > TIMES_FREE * left):
            return False
        self.free = left
        self._used[owner] += size
        return True

    def end(self, owner: str, size: int) -> None:
        """Forget a body, and give back what was taken for it."""
        self.free += size
        self._used[owner] -= size
        self._bodies[owner] -= 1
        if not self._bodies[owner]:
            del self._used[owner], self._bodies[owner]


class BodyShare:
    """What one request takes of the room; the end of its ``with`` block gives all of it back.

    Args:
        room: The room.
        owner: Service whose request it is.
    """

    __slots__ = ("_owner", "_room", "_taken")

    def __init__(self, room: BodyRoom, owner: str) -> None:
        self._room = room
        self._owner = owner
        self._taken = 0

    def take(self, size: int) -> bool:
        """Take bytes.

        Args:
            size: How many.

        Returns:
            Whether they were free, and within the owner's share; if not, nothing was taken.
        """
        if not self._room.take(self._owner, size):
            return False
        self._taken += size
        return True

    def __enter__(self) -> Self:
        self._room.begin(self._owner)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.end(self._owner, self._taken)
        self._taken = 0

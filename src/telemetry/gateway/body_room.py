"""Bounds the bytes of all bodies that are worked on at once, so that many large requests cannot fill the memory."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class BodyRoom:
    """The bytes that bodies may take together; used in one event loop.

    Args:
        max_bytes: The bound.

    Attributes:
        free: Bytes that no body takes.
    """

    def __init__(self, max_bytes: int) -> None:
        self.free = max_bytes

    def share(self) -> BodyShare:
        """Return the part that one request takes, for a ``with`` block around all work on its body."""
        return BodyShare(self)


class BodyShare:
    """What one request takes of the room; the end of its ``with`` block gives all of it back.

    Args:
        room: The room.
    """

    __slots__ = ("_room", "_taken")

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self._taken = 0

    def take(self, size: int) -> bool:
        """Take bytes.

        Args:
            size: How many.

        Returns:
            Whether they were free; if not, nothing was taken.
        """
        if size > self._room.free:
            return False
        self._room.free -= size
        self._taken += size
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._room.free += self._taken
        self._taken = 0

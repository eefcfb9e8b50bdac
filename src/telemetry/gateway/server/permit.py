"""Permits one connection to be open."""

from __future__ import annotations

import asyncio


class Permit:
    """One of the connections that may be open; given back once, no matter how often it is tried.

    Args:
        room: The semaphore from which it was taken.
    """

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room: asyncio.Semaphore | None = room

    def give_back(self) -> None:
        """Let another connection have the place."""
        room, self._room = self._room, None
        if room is not None:
            room.release()

"""Permits one connection to be open."""

from __future__ import annotations

import asyncio

from telemetry.gateway.places import Places


class Permit:
    """One of the connections that may be open; given back once, no matter how often it is tried.

    Args:
        room: The semaphore from which it was taken.
        places: The same room, divided among those whose name is known.
    """

    def __init__(self, room: asyncio.Semaphore, places: Places) -> None:
        self._room: asyncio.Semaphore | None = room
        self._places = places
        self._owner: str | None = None

    def belongs_to(self, owner: str) -> bool:
        """Count the connection as one of this owner, once; return whether the owner may have one more."""
        if not self._places.take(owner):
            return False
        self._owner = owner
        return True

    def give_back(self) -> None:
        """Let another connection have the place."""
        room, self._room = self._room, None
        if room is not None:
            room.release()
            if self._owner is not None:
                self._places.give_back(self._owner)

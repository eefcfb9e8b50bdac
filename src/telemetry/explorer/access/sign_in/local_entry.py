"""Lets the person in who has started the explorer on this machine."""

from __future__ import annotations

from telemetry.explorer.access.person import Person
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.sign_in.one_time_link import OneTimeLink
from telemetry.trail.read_event import os_user


class LocalEntry:
    """The way in by a one-time link, which is shown in the terminal of the person alone.

    Args:
        origin: Address of the explorer.
        right: What the person may do.
    """

    def __init__(self, origin: str, *, right: Right) -> None:
        self._link = OneTimeLink(origin)
        name = os_user()
        self._person = Person(subject=name, name=name, right=right, how="one-time link")

    def make_link(self) -> str:
        """Return a new link; the former one is worth nothing from now on."""
        return self._link.make()

    def is_good(self, token: str) -> bool:
        """Return whether a link works; this does not use it up."""
        return self._link.is_good(token)

    def take(self, token: str) -> Person | None:
        """Use a link up; return who comes in, None if it does not work."""
        return self._person if self._link.take(token) else None

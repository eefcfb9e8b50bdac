"""Draws the salts of disclosable events, many at once."""

from __future__ import annotations

import os
from struct import Struct

from telemetry.format.value.commitment import SALT_BYTES

_SALTS = Struct(f"{SALT_BYTES}s" * 256)
"""Salts are drawn 256 at once, as initialization vectors are: a system call for each would cost as much as hashing the event."""


class Salts:
    """Salts from the system's random generator (NIST SP 800-90A), each returned once.

    They are as secret as the events that they hide. All calls happen under the intake's lock, in one process: a forked child
    has a pipeline of its own.
    """

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn: list[bytes] = []

    def __repr__(self) -> str:
        return "Salts()"

    def draw(self) -> bytes:
        """Return 32 bytes that no other event has."""
        if not self._drawn:
            self._drawn = list(_SALTS.unpack(os.urandom(_SALTS.size)))
        return self._drawn.pop()

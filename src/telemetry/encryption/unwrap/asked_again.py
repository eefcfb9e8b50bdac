"""Notices data keys that a full cache had to forget and that are needed again, and warns of what they cost."""

from __future__ import annotations

import logging
from array import array

from telemetry.system.clock import Clock

logger = logging.getLogger("telemetry.encryption")

_PLACES = 1 << 17
"""How many forgotten names are remembered, eight bytes of each."""
_INTERVAL = 60.0


class AskedAgain:
    """Counts the keys that are asked for again, and says so once a minute; not safe for several threads.

    Args:
        max_bytes: Room of the cache, for the warning.
        clock: Monotonic seconds.

    Attributes:
        count: Keys that were asked for again since the last warning.
    """

    def __init__(self, *, max_bytes: int, clock: Clock) -> None:
        self._max_bytes = max_bytes
        self._clock = clock
        self._names: array[int] | None = None
        self._next_warning = clock()
        self.count = 0

    def forgot(self, name: bytes) -> None:
        """Remember that there was no room for a key.

        Args:
            name: A digest that names it.
        """
        if self._names is None:
            self._names = array("Q", bytes(8 * _PLACES))
        number = _number(name)
        # Another name may have the place: then that one is counted no more.
        self._names[number % _PLACES] = number

    def asked(self, name: bytes) -> None:
        """Count a key that the key service is asked about, if it was forgotten, and warn when it is time."""
        number = _number(name)
        if self._names is None or self._names[number % _PLACES] != number:
            return
        self._names[number % _PLACES] = 0
        self.count += 1
        now = self._clock()
        if now < self._next_warning:
            return
        logger.warning(
            "data keys were asked for again, each with a call of the key service: more are in use than fit into the %d MB"
            " that a reader keeps (%d times since the last warning). Reading continues, slower; read a shorter range or"
            " fewer services at once",
            self._max_bytes >> 20,
            self.count,
        )
        self._next_warning = now + _INTERVAL
        self.count = 0


def _number(name: bytes) -> int:
    return int.from_bytes(name[:8], "big")

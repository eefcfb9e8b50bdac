"""Divides places among those who use them, so that nobody alone takes all."""

from __future__ import annotations

from collections import Counter

TIMES_FREE = 3
"""An owner may use three times what is free: three quarters if it is alone, three sevenths if there are two who want all."""


class Places:
    """Places that owners take and give back; used in one event loop.

    A bound that follows what is free (dynamic thresholds, Choudhury and Hahne 1998): there is nearly always room for one who
    has little, and who is alone has three quarters.

    Args:
        number: How many there are.

    Attributes:
        taken: How many are used.
    """

    def __init__(self, number: int) -> None:
        self.taken = 0
        self._number = number
        self._used: Counter[str] = Counter()

    def take(self, owner: str) -> bool:
        """Take a place.

        Args:
            owner: For whom.

        Returns:
            Whether there was one that this owner may have.
        """
        free = self._number - self.taken
        used = self._used[owner]
        if free <= 0 or (used and used >= TIMES_FREE * free):
            return False
        self._used[owner] += 1
        self.taken += 1
        return True

    def give_back(self, owner: str) -> None:
        """Give a place back that was taken for the same owner."""
        self.taken -= 1
        self._used[owner] -= 1
        if not self._used[owner]:
            del self._used[owner]

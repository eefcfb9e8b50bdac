"""Shares bounded room among several parties, so that none of them can use up what the others need."""

from __future__ import annotations


class FairRoom:
    """Half of the room is divided evenly; the other half goes to those who need more first.

    Args:
        total: How many things there is room for, at least 1.
        parties: How many share it, at least 1.
    """

    def __init__(self, total: int, *, parties: int) -> None:
        self._share = max(total // 2 // parties, 1)
        self._common = max(total - self._share * parties, 0)

    def take(self, held: int) -> bool:
        """Return whether a party finds room for one more.

        Args:
            held: How many things this party has already.
        """
        if held < self._share:
            return True
        if not self._common:
            return False
        self._common -= 1
        return True

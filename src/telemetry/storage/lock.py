"""Says, at any moment, whether this process still holds a store's lock."""

from __future__ import annotations

from typing import Protocol


class LockHolder(Protocol):
    """Knows whether this process holds a lock: a lease, or a locked file."""

    @property
    def is_held(self) -> bool:
        """Whether the lock is held right now; must not block."""


class Lock:
    """Whether this process is the only holder, asked anew each time: a lease can be lost while it is in use.

    Args:
        holder: Lease or file lock that is asked each time.
    """

    __slots__ = ("_holder",)

    def __init__(self, holder: LockHolder) -> None:
        self._holder = holder

    @property
    def is_held(self) -> bool:
        """Whether the lock is held right now."""
        return self._holder.is_held

    def __bool__(self) -> bool:
        return self._holder.is_held

    def __repr__(self) -> str:
        return f"{type(self).__name__}(is_held={self.is_held})"

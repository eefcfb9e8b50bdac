"""What the holder of a store's lock is given."""

from __future__ import annotations

from collections.abc import Callable


class Lock:
    """Whether this process is the only holder, asked anew each time: a lease can be lost while it is in use.

    Args:
        held: Tells whether the lock is held right now; must not block.
    """

    __slots__ = ("_held",)

    def __init__(self, held: Callable[[], bool]) -> None:
        self._held = held

    @property
    def held(self) -> bool:
        """Whether the lock is held right now."""
        return self._held()

    def __bool__(self) -> bool:
        return self._held()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(held={self._held()})"

"""Remembers for a time what the key service said of keys that it did not unwrap."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from telemetry.exceptions import KeyServiceError
from telemetry.system.clock import Clock


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: KeyServiceError
    until: float


class Refusals:
    """Errors by the name of their key; the one unused for longest goes first. Not safe for several threads.

    Args:
        most: How many are kept.
        seconds: How long each is kept.
        clock: Monotonic seconds.
    """

    def __init__(self, *, most: int, seconds: float, clock: Clock) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[bytes, _Refusal] = OrderedDict()

    def find(self, name: bytes) -> KeyServiceError | None:
        """Return the error of a key; None if there is none, or its time is over."""
        refusal = self._kept.get(name)
        if refusal is None:
            return None
        if self._clock() >= refusal.until:
            del self._kept[name]
            return None
        self._kept.move_to_end(name)
        return refusal.error

    def add(self, name: bytes, error: KeyServiceError) -> None:
        """Remember the error of a key."""
        self._kept[name] = _Refusal(error, self._clock() + self._seconds)
        self._kept.move_to_end(name)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget_past(self) -> None:
        """Forget the oldest errors if their time is over: an error may hold a whole stack of frames."""
        now = self._clock()
        while self._kept and now >= next(iter(self._kept.values())).until:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Forget every error."""
        self._kept.clear()

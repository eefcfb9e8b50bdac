"""Chooses which of the successful requests are recorded, and records what share that is."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

from telemetry.exceptions import ConfigurationError

# Nobody can foresee which request is left out.
_chance = random.SystemRandom().random


class Sampling:
    """The share of successful requests that is recorded; denied and failed ones always are.

    Args:
        rate: 0 to 1.

    Raises:
        ConfigurationError: It is outside that range.
    """

    def __init__(self, rate: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._rate = _checked(rate)
        self._observers: list[Callable[[float], None]] = []

    @property
    def rate(self) -> float:
        """The share; set it to change it, which is recorded as ``http.sampling``."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        with self._lock:
            if _checked(rate) == self._rate:
                return
            self._rate = rate
            observers = tuple(self._observers)
        for observer in observers:
            observer(rate)

    def observe(self, observer: Callable[[float], None]) -> None:
        """Have a function called with each new rate."""
        with self._lock:
            self._observers.append(observer)

    def keeps(self) -> bool:
        """Return whether this one is recorded."""
        return self._rate >= 1 or _chance() < self._rate


def _checked(rate: float) -> float:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        message = f"sample: {rate!r} is not between 0 and 1"
        raise ConfigurationError(message)
    return rate

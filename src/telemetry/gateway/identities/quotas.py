"""Keeps each identity within its quota."""

from __future__ import annotations

import time

from telemetry.gateway.caller import Caller
from telemetry.system.clock import Clock

_BURST_SECONDS = 1.0
"""What was not used in the last second may be used at once."""


class Quotas:
    """Token buckets, one for each service with a quota.

    A request that begins within the quota is taken whole, and what it takes too much is waited for by the next one: so a
    batch may be larger than the quota of a second, and the rate over time is the quota all the same.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_for(self, caller: Caller, events: int) -> float:
        """Take events from a caller's quota.

        Args:
            caller: Whose quota.
            events: How many events it wants to log.

        Returns:
            0 if they were taken; else the seconds after which they may be, and nothing was taken.
        """
        rate = caller.max_events_per_second
        if rate is None:
            return 0.0
        now = self._clock()
        full = max(1.0, rate * _BURST_SECONDS)
        left, since = self._buckets.get(caller.service, (full, now))
        left = min(full, left + (now - since) * rate)
        if left < 1:
            self._buckets[caller.service] = (left, now)
            return (1 - left) / rate
        self._buckets[caller.service] = (left - events, now)
        return 0.0

    def forget(self) -> None:
        """Begin anew, with full buckets: after the identities have changed."""
        self._buckets.clear()

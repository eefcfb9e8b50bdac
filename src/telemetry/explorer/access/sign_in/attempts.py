"""Bounds how often one address may try to sign in."""

from __future__ import annotations

import time
from collections import OrderedDict
from ipaddress import ip_network

from telemetry.system.clock import Clock

_MAX_ADDRESSES = 10_000
_PERIOD_SECONDS = 60.0


class Attempts:
    """Counts attempts of each address in the last minute.

    Args:
        per_minute: Attempts that one address may make.
        clock: Monotonic seconds.
    """

    def __init__(self, per_minute: int, *, clock: Clock = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        # What is left to each, and when that was computed; an address that has used nothing is absent.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str | None) -> bool:
        """Count an attempt; return whether it may be made.

        Args:
            address: IP address, of which IPv6 counts by its network of 64 bits; None on a unix socket.
        """
        name, now = _counted(address), self._clock()
        left, since = self._left.pop(name, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / _PERIOD_SECONDS)
        is_allowed = left >= 1
        self._left[name] = (left - 1 if is_allowed else left, now)
        if len(self._left) > _MAX_ADDRESSES:
            self._left.popitem(last=False)
        return is_allowed


def _counted(address: str | None) -> str:
    if address is None:
        return "unix"
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/64", strict=False))

"""Bounds what forged wrapped keys may cost: calls of the key service that end with a mismatch."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable

from telemetry.system.clock import Clock

PER_SECOND = 5.0
"""Mismatches a second, and with them the calls that forged records can cause."""
BURST = 20
BREAKER = 20
"""Mismatches in a row after which a producer's new keys are no longer tried at once."""
LISTED_TRIES = 8
"""Mismatches under the name of a listed data key: a forged record can name one too, with other wrapped bytes."""
MAX_PRODUCERS = 10_000
MAX_LISTED = 100_000


class UnwrapBudget:
    """Says whether an unknown wrapped key may be tried now. Only mismatches use it up; what opens costs nothing.

    A data key that a proven checkpoint lists needs no budget. A producer whose events were opened is known: its new keys need nothing from the common budget, until too many of
    them in a row were mismatches, since anyone who may write to the topic can write in its name.

    Args:
        per_second: How many mismatches a second are allowed in the long run.
        burst: How many are allowed at once.
        breaker: Mismatches in a row that are allowed to one producer.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        per_second: float = PER_SECOND,
        burst: int = BURST,
        breaker: int = BREAKER,
        clock: Clock = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._breaker = breaker
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._filled_at = clock()
        self._mismatches: OrderedDict[str, int] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._listed: dict[str, int] = {}

    def list_keys(self, kids: Iterable[str]) -> None:
        """Let these data keys be tried at once: a proven checkpoint lists them."""
        with self._lock:
            for kid in kids:
                self._listed.setdefault(kid, LISTED_TRIES)
            while len(self._listed) > MAX_LISTED:
                del self._listed[next(iter(self._listed))]

    def allow(self, producer: str, kid: str, *, waited: bool = False) -> bool:
        """Whether a new key of a producer may be tried.

        Args:
            producer: As the record names it.
            kid: Name of the data key in the record; it may be forged too.
            waited: The record waited for its turn, so its producer's mismatches do not count.
        """
        with self._lock:
            if self._listed.get(kid, 0) > 0:
                return True
            is_open = self._mismatches.get(producer, 0) < self._breaker
            if producer in self._known and is_open:
                return True
            self._fill()
            return self._tokens >= 1.0 and (is_open or waited)

    def mismatch(self, producer: str, kid: str) -> None:
        """Count a key of a producer that the key service was asked about and that did not unwrap."""
        with self._lock:
            if self._listed.get(kid, 0) > 0:
                self._listed[kid] -= 1
                return
            self._fill()
            # Not below zero: calls that were allowed at the same time must not stop the next ones for long.
            self._tokens = max(self._tokens - 1.0, 0.0)
            self._mismatches[producer] = self._mismatches.pop(producer, 0) + 1
            while len(self._mismatches) > MAX_PRODUCERS:
                self._mismatches.popitem(last=False)

    def success(self, producer: str) -> None:
        """Remember a producer: an event of it was opened with a new key, which nobody without that key can forge."""
        with self._lock:
            self._mismatches.pop(producer, None)
            self._known[producer] = None
            self._known.move_to_end(producer)
            while len(self._known) > MAX_PRODUCERS:
                self._known.popitem(last=False)

    def wait(self) -> float:
        """Return the seconds until a key that waited may be tried; zero if it may now."""
        with self._lock:
            self._fill()
            return max(1.0 - self._tokens, 0.0) / self._per_second

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._tokens + (now - self._filled_at) * self._per_second, self._burst)
        self._filled_at = now

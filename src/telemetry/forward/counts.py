"""Counts what a forwarder has done; several threads read it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from enum import StrEnum


class State(StrEnum):
    """What a forwarder is doing.

    Attributes:
        STANDBY: Another forwarder of the group works.
        FORWARDING: It reads and forwards.
        AWAY: The target, Kafka or the key service is away; it tries again.
        REFUSED: The target refuses everything; it tries again.
        ENDED: It has ended.
    """

    STANDBY = "standby"
    FORWARDING = "forwarding"
    AWAY = "away"
    REFUSED = "refused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardCounts:
    """What a forwarder has done so far.

    Attributes:
        state: What it is doing.
        forwarded: Events that the target has acknowledged.
        batches: Batches of them.
        size: Bytes of them, before compression.
        refused: Events that the target refused for good.
        unopened: Events whose data key is not available for good.
        damaged: Records that are malformed or were altered, or are in conflict; they are not forwarded.
        lost: Records that the topic deleted before they were forwarded.
        filtered: Events that the filter left out.
        retries: Times that something failed and was tried again.
        last_error: Why it was tried again last; empty once it succeeded.
        oldest_age: Seconds since the arrival of the oldest event in hand; 0 without any.
        lag: Records of the topic that are not forwarded; None while that is not known.
    """

    state: State = State.STANDBY
    forwarded: int = 0
    batches: int = 0
    size: int = 0
    refused: int = 0
    unopened: int = 0
    damaged: int = 0
    lost: int = 0
    filtered: int = 0
    retries: int = 0
    last_error: str = ""
    oldest_age: float = 0.0
    lag: int | None = None


@dataclass(slots=True)
class ForwardTally:
    """Counts as they grow; one thread writes them."""

    _counts: ForwardCounts = field(default_factory=ForwardCounts)
    _oldest: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def snapshot(self) -> ForwardCounts:
        """Return the counts."""
        with self._lock:
            age = 0.0 if self._oldest is None else max(time.time() - self._oldest, 0.0)
            return replace(self._counts, oldest_age=age)

    def add(
        self,
        *,
        forwarded: int = 0,
        batches: int = 0,
        size: int = 0,
        refused: int = 0,
        unopened: int = 0,
        damaged: int = 0,
        filtered: int = 0,
    ) -> None:
        """Add to the counts."""
        with self._lock:
            counts = self._counts
            self._counts = replace(
                counts,
                forwarded=counts.forwarded + forwarded,
                batches=counts.batches + batches,
                size=counts.size + size,
                refused=counts.refused + refused,
                unopened=counts.unopened + unopened,
                damaged=counts.damaged + damaged,
                filtered=counts.filtered + filtered,
            )

    def enter(self, state: State) -> None:
        """Note what the forwarder does now; an error is over once it forwards."""
        with self._lock:
            error = "" if state is State.FORWARDING else self._counts.last_error
            self._counts = replace(self._counts, state=state, last_error=error)

    def failed(self, error: str, state: State) -> None:
        """Note why something is tried again."""
        with self._lock:
            self._counts = replace(self._counts, state=state, last_error=error, retries=self._counts.retries + 1)

    def behind(self, lag: int | None, *, lost: int) -> None:
        """Note what the topic has.

        Args:
            lag: Records that are not forwarded; None while that is not known.
            lost: Records that were deleted before they were forwarded.
        """
        with self._lock:
            self._counts = replace(self._counts, lag=lag, lost=lost)

    def holds(self, oldest: float | None) -> None:
        """Note what is in hand.

        Args:
            oldest: Time of arrival of the oldest event in hand, in seconds since the epoch; None without any.
        """
        with self._lock:
            self._oldest = oldest

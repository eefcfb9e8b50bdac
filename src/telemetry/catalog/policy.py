"""Defines how safe an event must be, and what happens where it cannot be: for a type, and as the configuration tightens it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["accepted", "durable", "delivered", "transactional"]
"""How safe an event is when its call is over; ``transactional``: it is in a table of the transaction that it is about."""

OnFailure = Literal["raise", "count", "block"]
"""Where an event cannot be logged as safely as that: the call raises at once, goes on and it is counted, or waits and raises."""

Severity = Literal["informational", "low", "medium", "high", "critical", "fatal"]

LEVELS = {"accepted": 0, "durable": 1, "delivered": 2, "transactional": 3}
ON_FAILURE = {"count": 0, "raise": 1, "block": 2}
"""From the loosest to the strictest."""
SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5, "fatal": 6}
"""With the numbers of OCSF."""

BLOCK_SECONDS = 30.0


class Policy(NamedTuple):
    """What is required for the events of a type.

    Attributes:
        delivery: How safe an event must be when its call is over.
        on_failure: What happens where it is not.
        block_seconds: How long a call waits at most with ``block``.
    """

    delivery: Level = "accepted"
    on_failure: OnFailure = "raise"
    block_seconds: float = BLOCK_SECONDS

    def tightened(self, other: Policy) -> Policy:
        """Return the stricter of two policies, in each respect."""
        return Policy(
            max(self.delivery, other.delivery, key=LEVELS.__getitem__),
            max(self.on_failure, other.on_failure, key=ON_FAILURE.__getitem__),
            min(self.block_seconds, other.block_seconds),
        )


DEFAULT = Policy()

"""Names the ways in which a pass over the stored objects can end."""

from __future__ import annotations

from enum import Enum, auto


class PassResult(Enum):
    """How a pass ended; also how one object of it did."""

    EMPTY = auto()
    """The store listed nothing that could be sent."""
    DONE = auto()
    """Everything that was sent is acknowledged, and its deletion has begun."""
    AGAIN = auto()
    """A refused record is out of the way; what was sent after it was taken back, and is sent again at once."""
    OUTAGE = auto()
    """Kafka stopped accepting records; what was not acknowledged is sent again later."""
    INTERRUPTED = auto()
    """The lock was lost or the worker is stopping; the next pass, of any process, sends the rest."""

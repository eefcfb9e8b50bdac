"""Decides when records that went to the fallback may go to Kafka again."""

from __future__ import annotations

from telemetry.audit.send.batcher import AuditBatcher
from telemetry.system.backoff import Backoff
from telemetry.system.deadline import Deadline

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class Diversion:
    """Says why records are diverted, and when the sender may try Kafka again.

    A thread of the fallback calls :meth:`kafka_is_ready`; everything else is called by the sender.

    Args:
        batcher: Woken when Kafka is ready, so that the sender looks at once.
        longest_pause: Seconds for which a Kafka that answers and yet accepted no record is left alone, at most.

    Attributes:
        reason: Why records are diverted, in one word; empty before the first time.
    """

    def __init__(self, batcher: AuditBatcher, *, longest_pause: float = _LONGEST_PAUSE_SECONDS) -> None:
        self._batcher = batcher
        self._backoff = Backoff(first=_FIRST_PAUSE_SECONDS, longest=longest_pause)
        self._pause = Deadline(0.0)
        self._is_ready = False
        self.reason = ""

    def begin(self, reason: str, *, kafka_accepts: bool = True) -> None:
        """Record that records are diverted.

        Args:
            reason: In one word.
            kafka_accepts: Whether Kafka accepted any record before this. One that answers every question and yet
                accepts no record is tried less and less often.
        """
        self.reason = reason
        self._is_ready = False
        if kafka_accepts:
            self._backoff.reset()
        self._pause = Deadline(0.0 if kafka_accepts else self._backoff.next())

    def kafka_is_ready(self) -> None:
        """Record that Kafka answers and that no stored object of this process waits for replay."""
        self._is_ready = True
        self._batcher.wake()

    def take_return(self) -> bool:
        """Return whether to try Kafka now; an answer of yes is given once for each :meth:`kafka_is_ready`."""
        if not self._is_ready or not self._pause.is_over:
            return False
        self._is_ready = False
        return True

"""Records what became of each stored object, in the ledger and for everyone who waits for it."""

from __future__ import annotations

from typing import Protocol

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.ledger import Ledger
from telemetry.exceptions import TransportError


class OnObjectDone(Protocol):
    """Is called for each object that is done."""

    def __call__(self, name: str, events: int, /) -> None:
        """Be called with the object's name, and how many of its events reached the topic."""


class ObjectOutcomes:
    """Passes each outcome on to the ledger, to the handler that stored the object, and to the caller of a replay.

    Every method is called in the thread that replays.

    Args:
        ledger: Counts replayed and rejected events.
        handler: Handler of this process, whose backlog shrinks; None in a process that does not log.
        on_object: Called for each object that is done.
    """

    def __init__(
        self, ledger: Ledger, *, handler: FallbackHandler | None = None, on_object: OnObjectDone | None = None
    ) -> None:
        self._ledger = ledger
        self._handler = handler
        self._on_object = on_object
        self._unmarked: set[str] = set()

    def opened_unmarked(self, name: str) -> None:
        """Record that an object is about to be sent that has no mark of this service; it counts once it is replayed."""
        self._unmarked.add(name)

    def replayed(self, waiting: WaitingObject, *, events: int) -> None:
        """Record that an object is deleted because these of its events are on the topic."""
        is_unmarked = waiting.name in self._unmarked
        # Before the ledger: the sender may return to Kafka as soon as the handler has nothing more in the store.
        self.gone(waiting.name)
        self._ledger.replayed(events)
        if is_unmarked:
            self._ledger.unmarked(events)
        if self._on_object is not None:
            self._on_object(waiting.name, events)

    def gone(self, name: str) -> None:
        """Record that an object is no longer in its place: replayed, quarantined, or taken by another process."""
        self._unmarked.discard(name)
        if self._handler is not None:
            self._handler.forget(name)

    def refused(self, error: TransportError) -> None:
        """Record that Kafka refused a record for a reason of the record's own."""
        self._ledger.send_failed(error)

    def rejected(self, events: int, *, reason: str) -> None:
        """Record that events are stored below ``rejected/``, because Kafka will never accept them."""
        self._ledger.rejected(events, reason=reason)

"""Keeps the events that wait for room or for a data key, in the order of the calls and within bounds."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import NamedTuple, Protocol

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.relayed_event import RelayedEvent
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.audit.receipt import Receipt
from telemetry.config import AuditConfig
from telemetry.system.clock import Clock

_OVERHEAD = 512
"""Estimated bytes of an event that waits, beside its JSON."""


class Patience(NamedTuple):
    """How long events wait, in seconds.

    Attributes:
        room: For room in the queue.
        key: For a data key.
    """

    room: float
    key: float


class WaitingEvent(NamedTuple):
    """An event that has no number yet.

    Attributes:
        draft: The event.
        receipt: Its receipt.
        since: When it began to wait.
    """

    draft: EventDraft | RelayedEvent
    receipt: Receipt
    since: float


class LineShare(Protocol):
    """One line's part of what may wait in all lines of a pipeline."""

    def fits(self, size: int) -> bool:
        """Return whether one more event of this size may wait in the line."""

    def take(self, size: int) -> None:
        """Count an event that waits."""

    def give_back(self, events: int, size: int) -> None:
        """Count events that no longer wait."""


class WaitingLine:
    """Events that wait; the lock of the intake protects it.

    All of them wait for what the first one lacks. So the first one is always the next whose time is over.

    Args:
        max_events: Bound of events that wait.
        max_bytes: Bound of their size as JSON; an event larger than all of it may wait alone.
        patience: How long they wait.
        clock: Tells the time.
        common: Bound of all lines together, where several streams share it.

    Attributes:
        lacks_key: Whether the first event waits for a data key, not for room.
    """

    def __init__(
        self,
        *,
        max_events: int,
        max_bytes: int,
        patience: Patience,
        clock: Clock = time.monotonic,
        common: LineShare | None = None,
    ) -> None:
        self.lacks_key = False
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._patience = patience
        self._clock = clock
        self._events: deque[WaitingEvent] = deque()
        self._bytes = 0
        self._common = common
        self._subjects: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def first(self) -> WaitingEvent:
        """The event whose turn is next; the line must not be empty."""
        return self._events[0]

    @property
    def oldest_seconds(self) -> float:
        """How long the first event has waited; 0 where none does. May be asked without the lock."""
        try:
            return max(self._clock() - self._events[0].since, 0.0)
        except IndexError:  # one look instead of two: another thread may take the last one between them
            return 0.0

    @property
    def patience(self) -> float:
        """How many seconds an event waits for what the first one lacks."""
        return self._patience.key if self.lacks_key else self._patience.room

    @property
    def expires_in(self) -> float | None:
        """Seconds until the time of the first event is over; None where nothing waits."""
        if not self._events:
            return None
        return max(self._events[0].since + self.patience - self._clock(), 0.0)

    @property
    def subjects(self) -> list[str]:
        """The subjects of the events that wait, each once, in their order."""
        return list(self._subjects)

    def may_pass(self, draft: EventDraft | RelayedEvent) -> bool:
        """Return whether an event need not wait after the others: they lack keys, and none is of its subject.

        So the events of a person stay in order, and one whose key is slow to come keeps nobody else waiting.
        """
        return self.lacks_key and type(draft) is SubjectDraft and draft.user_id not in self._subjects

    def has_room(self, draft: EventDraft | RelayedEvent) -> bool:
        """Return whether one more event may wait."""
        if self._common is not None and not self._common.fits(_size(draft)):
            return False
        if not self._events:
            return True
        return len(self._events) < self._max_events and self._bytes + _size(draft) <= self._max_bytes

    def append(self, draft: EventDraft | RelayedEvent, receipt: Receipt) -> None:
        """Have an event wait after all others."""
        size = _size(draft)
        self._events.append(WaitingEvent(draft, receipt, self._clock()))
        self._bytes += size
        if type(draft) is SubjectDraft:
            self._subjects[draft.user_id] += 1
        if self._common is not None:
            self._common.take(size)

    def take_first(self) -> WaitingEvent:
        """Remove and return the event whose turn is next."""
        event = self._events.popleft()
        size = _size(event.draft)
        self._bytes -= size
        if type(event.draft) is SubjectDraft:
            self._forget_one(event.draft.user_id)
        if self._common is not None:
            self._common.give_back(1, size)
        return event

    def take_all(self) -> list[WaitingEvent]:
        """Remove and return every event."""
        events = list(self._events)
        if self._common is not None:
            self._common.give_back(len(events), self._bytes)
        self._events.clear()
        self._subjects.clear()
        self._bytes = 0
        return events

    def _forget_one(self, user_id: str) -> None:
        self._subjects[user_id] -= 1
        if not self._subjects[user_id]:
            del self._subjects[user_id]


def _size(draft: EventDraft | RelayedEvent) -> int:
    return len(draft.json_after_sequence) + _OVERHEAD


def waiting_line_of(config: AuditConfig, *, common: LineShare | None = None) -> WaitingLine:
    """Return the waiting line of a stream.

    Args:
        config: Says how much may wait, and for how long.
        common: Bound of all lines together, where several streams share it.
    """
    return WaitingLine(
        max_events=config.queue_max_events,
        max_bytes=config.queue_max_bytes,
        patience=Patience(config.queue_full_timeout_ms / 1_000, config.data_key_wait_ms / 1_000),
        common=common,
    )

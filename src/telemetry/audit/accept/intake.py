"""The one short lock of an event: room, sequence, sealing, appending."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import Protocol

from telemetry.audit.accept.draft import EventDraft
from telemetry.audit.producer import ProducerStream
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TelemetryError

_TIMED_EVERY = 8
_OVERHEAD = 1_024
"""Estimated bytes of a record beside its sealed body: attributes, wrapped key, JWE header."""


class Sealer(Protocol):
    """Seals an event, or returns None when it has no key now."""

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        """Return the sealed event as a record."""


class Ticket:
    """An event that waits for room or for a data key, in the order of the calls.

    Attributes:
        draft: The event.
        receipt: Finished with the receipt once the event is accepted, or with the reason it cannot be.
        waits_for_key: Whether the last attempt failed for want of a data key.
    """

    __slots__ = ("draft", "receipt", "waits_for_key")

    def __init__(self, draft: EventDraft) -> None:
        self.draft = draft
        self.receipt: Future[Receipt] = Future()
        self.waits_for_key = False


class Intake:
    """Accepts events one after the other: whoever gets the lock gets the next sequence number.

    Everything that may refuse an event comes before its number is taken, so a hole in a sequence always means a lost record.
    Events that must wait form one queue and are accepted in its order, whoever makes room.

    Args:
        lock: Shared with the batcher.
        sealer: Seals under the lock.
        stream: Numbers and hashes the records.
        append: Takes the sealed record while the lock is held.
        want_key: Asks for a data key; must not block. Its answer comes as :meth:`retry` or :meth:`refuse`.
        max_events: Bound of accepted events that are not settled.
        max_bytes: Bound of their sealed size.
    """

    def __init__(
        self,
        *,
        lock: threading.Lock,
        sealer: Sealer,
        stream: ProducerStream,
        append: Callable[[SealedRecord], None],
        want_key: Callable[[], None],
        max_events: int,
        max_bytes: int,
    ) -> None:
        self._lock = lock
        self._sealer = sealer
        self._stream = stream
        self._append = append
        self._want_key = want_key
        self._room_events = max_events
        self._room_bytes = self._max_bytes = max_bytes
        self._queue: deque[Ticket] = deque()
        self._closed: TelemetryError | None = None
        self._sealed = 0
        self._seal_seconds = 0.0

    def take_seal_time(self) -> tuple[float, int]:
        """Return the seconds spent on sealing, of every eighth event since the last call, and how many those are."""
        with self._lock:
            taken = self._seal_seconds, self._sealed
            self._seal_seconds, self._sealed = 0.0, 0
        return taken

    @property
    def accepted(self) -> int:
        """How many events were accepted: as many as have a number."""
        return self._stream.next_sequence

    @property
    def waiting(self) -> int:
        """How many calls wait for room or for a key."""
        return len(self._queue)

    def used(self, *, max_events: int) -> tuple[int, int]:
        """Return events and bytes that are accepted and not settled."""
        return max_events - self._room_events, self._max_bytes - self._room_bytes

    def offer(self, draft: EventDraft) -> Receipt | Ticket:
        """Accept the event now, or return the ticket with which it waits.

        Raises:
            LifecycleError: The pipeline is shut down.
        """
        lock = self._lock
        # By hand, since ``with`` costs twice as much.
        lock.acquire()
        try:
            if self._closed is not None:
                raise self._closed
            if not self._queue and self._has_room(draft):
                receipt = self._accept(draft)
                if receipt is not None:
                    return receipt
            ticket = Ticket(draft)
            self._queue.append(ticket)
            ticket.waits_for_key = self._has_room(draft)
            needs_key = ticket.waits_for_key
        finally:
            lock.release()
        if needs_key:
            self._want_key()
        return ticket

    def release(self, events: int, size: int) -> None:
        """Give back the room of settled records and accept whoever waits for it."""
        with self._lock:
            self._room_events += events
            self._room_bytes += size
            needs_key = bool(self._queue) and self._accept_waiting()
        if needs_key:
            self._want_key()

    def retry(self) -> None:
        """Accept whoever waits, after a data key arrived."""
        self.release(0, 0)

    def refuse(self, error: TelemetryError) -> int:
        """Fail every call that waits; return how many there were."""
        with self._lock:
            refused, self._queue = self._queue, deque()
        waiting = [ticket.receipt for ticket in refused if ticket.receipt.set_running_or_notify_cancel()]
        for receipt in waiting:
            receipt.set_exception(error)
        return len(waiting)

    def withdraw(self, ticket: Ticket) -> bool:
        """Take a ticket back; return False when its event was accepted or refused meanwhile."""
        with self._lock:
            if ticket.receipt.done() or ticket not in self._queue:
                return False
            self._queue.remove(ticket)
            needs_key = self._accept_waiting()
        if needs_key:
            self._want_key()
        return True

    def close(self, error: TelemetryError) -> int:
        """Refuse every further and every waiting event with ``error``; return how many waited."""
        with self._lock:
            self._closed = error
        return self.refuse(error)

    def _has_room(self, draft: EventDraft) -> bool:
        room = self._room_bytes
        # An event larger than the whole bound may pass alone.
        return self._room_events > 0 and (
            room >= len(draft.json_after_sequence) * 4 // 3 + _OVERHEAD or room == self._max_bytes
        )

    def _accept(self, draft: EventDraft) -> Receipt | None:
        stream = self._stream
        producer, sequence = stream.producer, stream.next_sequence
        if sequence % _TIMED_EVERY:
            record = self._sealer.seal(draft, producer, sequence)
        else:
            record = self._seal_timed(draft, producer, sequence)
        if record is None:
            return None
        receipt = record.receipt = Receipt(draft.id, producer, sequence)
        stream.next_sequence = sequence + 1
        self._room_events -= 1
        self._room_bytes -= record.size
        self._append(record)
        return receipt

    def _seal_timed(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        began = perf_counter()
        record = self._sealer.seal(draft, producer, sequence)
        if record is not None:
            self._seal_seconds += perf_counter() - began
            self._sealed += 1
        return record

    def _accept_waiting(self) -> bool:
        """Accept from the head of the queue; return whether a data key is wanted."""
        while self._queue and self._has_room(self._queue[0].draft):
            ticket = self._queue[0]
            receipt = self._accept(ticket.draft)
            if receipt is None:
                ticket.waits_for_key = True
                return True
            self._queue.popleft()
            # A waiter that was cancelled in this very moment keeps its event: it is accepted.
            if ticket.receipt.set_running_or_notify_cancel():
                ticket.receipt.set_result(receipt)
        return False

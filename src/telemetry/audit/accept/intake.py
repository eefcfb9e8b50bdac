"""Accepts events under one short lock: room, sequence number, sealing, queueing."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from time import perf_counter
from typing import Protocol

from telemetry.audit.accept.draft import EventDraft
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TelemetryError

_TIMED_EVERY = 8


class RecordQueue(Protocol):
    """The next station of an accepted record: the spool, or the batcher where there is no spool."""

    def add(self, record: SealedRecord) -> None:
        """Append a record; the intake's lock is held."""


class RefusedCalls(Protocol):
    """Counts ``log()`` calls that raised; the ledger, in a pipeline."""

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        """Count calls that raised this error."""


class Ticket:
    """An event that waits for room or for a data key, in the order of the calls.

    Attributes:
        draft: The event.
        receipt: Finished with the receipt once the event is accepted, or with the reason it cannot be.
        waits_for_key: Whether the last attempt failed because no data key was available.
    """

    __slots__ = ("draft", "receipt", "waits_for_key")

    def __init__(self, draft: EventDraft) -> None:
        self.draft = draft
        self.receipt: Future[Receipt] = Future()
        self.waits_for_key = False


class Intake:
    """Accepts events one after the other: the order in which calls get the lock is the order of the sequence numbers.

    Everything that may refuse an event comes before it gets its number, so a hole in a sequence always means a lost
    record. Events that must wait form one queue and are accepted in its order, whichever thread gives room back.

    Args:
        stream: Numbers, seals and fetches keys for the events.
        lock: Shared with the room and the queue, so that an event takes one lock only.
        room: Bounds of accepted events.
        queue: Takes over each sealed record while the lock is held.
        refusals: Counts the waiting calls that are refused.
    """

    def __init__(
        self,
        stream: ProducerStream,
        *,
        lock: threading.Lock,
        room: Room,
        queue: RecordQueue,
        refusals: RefusedCalls,
    ) -> None:
        self._stream = stream
        self._lock = lock
        self._room = room
        self._queue = queue
        self._refusals = refusals
        self._tickets: deque[Ticket] = deque()
        self._closed: TelemetryError | None = None
        self._sealed = 0
        self._seal_seconds = 0.0
        room.add_waiter(self)

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
        return len(self._tickets)

    def offer(self, draft: EventDraft) -> Receipt | Ticket:
        """Accept the event now, or return the ticket with which it waits.

        Raises:
            LifecycleError: The pipeline is shut down.
        """
        lock = self._lock
        # By hand, because `with` costs twice as much.
        lock.acquire()
        try:
            if self._closed is not None:
                raise self._closed
            if not self._tickets and self._room.fits(len(draft.json_after_sequence)):
                receipt = self._accept(draft)
                if receipt is not None:
                    return receipt
            ticket = Ticket(draft)
            self._tickets.append(ticket)
            ticket.waits_for_key = self._room.fits(len(draft.json_after_sequence))
            needs_key = ticket.waits_for_key
        finally:
            lock.release()
        if needs_key:
            self.request_key()
        return ticket

    def request_key(self) -> None:
        """Request a data key for the calls that wait; the lock is not held."""
        if self._stream.keys is not None:
            self._stream.keys.request(self)

    def key_arrived(self) -> None:
        """Accept the calls that wait, now that there is a data key."""
        with self._lock:
            needs_key = self.accept_waiting()
        if needs_key:
            self.request_key()

    def key_unavailable(self, error: TelemetryError) -> None:
        """Refuse every call that waits: no data key can be fetched."""
        self._refuse_waiting(error)

    def withdraw(self, ticket: Ticket) -> bool:
        """Remove a ticket from the queue; return False when its event was accepted or refused meanwhile."""
        with self._lock:
            if ticket.receipt.done() or ticket not in self._tickets:
                return False
            self._tickets.remove(ticket)
            # The one that gave up may have been too large; the calls after it may fit.
            needs_key = self.accept_waiting()
        if needs_key:
            self.request_key()
        return True

    def close(self, error: TelemetryError) -> None:
        """Refuse every further and every waiting event with ``error``."""
        with self._lock:
            self._closed = error
        self._refuse_waiting(error)

    def accept_waiting(self) -> bool:
        """Accept from the head of the queue; the lock is held. Return whether a data key is missing."""
        tickets = self._tickets
        while tickets and self._room.fits(len(tickets[0].draft.json_after_sequence)):
            ticket = tickets[0]
            receipt = self._accept(ticket.draft)
            if receipt is None:
                ticket.waits_for_key = True
                return True
            tickets.popleft()
            # A waiter that was cancelled at this very moment keeps its event: it is accepted.
            if ticket.receipt.set_running_or_notify_cancel():
                ticket.receipt.set_result(receipt)
        return False

    def _refuse_waiting(self, error: TelemetryError) -> None:
        with self._lock:
            refused, self._tickets = self._tickets, deque()
        waiting = [ticket.receipt for ticket in refused if ticket.receipt.set_running_or_notify_cancel()]
        # Counted first: a call that has raised is in the statistics already.
        self._refusals.refused(error, calls=len(waiting))
        for receipt in waiting:
            receipt.set_exception(error)

    def _accept(self, draft: EventDraft) -> Receipt | None:
        """Seal, number and queue an event; return None, and use no number, where there is no data key."""
        stream = self._stream
        producer, sequence = stream.producer, stream.next_sequence
        if sequence % _TIMED_EVERY:
            record = stream.sealer.seal(draft, producer, sequence)
        else:
            record = self._seal_timed(draft, producer, sequence)
        if record is None:
            return None
        receipt = record.receipt = Receipt(draft.id, producer, sequence)
        stream.next_sequence = sequence + 1
        room = self._room
        room.free_events -= 1
        room.free_bytes -= record.size
        self._queue.add(record)
        return receipt

    def _seal_timed(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        began = perf_counter()
        record = self._stream.sealer.seal(draft, producer, sequence)
        if record is not None:
            self._seal_seconds += perf_counter() - began
            self._sealed += 1
        return record

"""Accepts events under one short lock: room, sequence number, sealing, queueing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.relayed_event import RelayedEvent
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.waiting_line import WaitingEvent, WaitingLine
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.receipt import ACCEPTED, WAITING, Receipt, mark_accepted, mark_failed, notify, unheard
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import BackpressureError, TelemetryError
from telemetry.system.worker import Worker

if TYPE_CHECKING:
    from telemetry.audit.accept.share import Share

_TIMED_EVERY = 8
_ALL = 1 << 62


class RecordQueue(Protocol):
    """The next station of an accepted record: the spool, or the batcher where there is no spool."""

    def add(self, record: SealedRecord) -> None:
        """Append a record; the intake's lock is held."""


class Refusals(Protocol):
    """Counts events that were not accepted; the ledger, in a pipeline."""

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        """Count calls that ended with this error."""

    def lost(self, error: TelemetryError, *, events: int) -> None:
        """Count events whose failure nobody waited for."""


class Intake:
    """Accepts events one after the other: the order in which calls get the lock is the order of the sequence numbers.

    Everything that may refuse an event comes before it gets its number, so a hole in a sequence always means a lost
    record. Events that must wait form one line and are accepted in its order, in the thread that gives room back or
    brings the data key. A timer refuses those that waited too long.

    Args:
        stream: Numbers, seals and fetches keys for the events.
        lock: Shared with the room, the line and the queue, so that an event takes one lock only.
        room: Bounds of accepted events.
        line: Events that wait.
        queue: Takes over each sealed record while the lock is held.
        refusals: Counts the events that are refused after their call has returned.
        timer: Refuses events that waited too long.
        times: Gets the time that sealing takes.
        share: Part of the room that this stream may use; None where no other one uses it.
    """

    def __init__(
        self,
        stream: ProducerStream,
        *,
        lock: threading.Lock,
        room: Room,
        line: WaitingLine,
        queue: RecordQueue,
        refusals: Refusals,
        timer: WaitingTimer,
        times: SealTimes,
        share: Share | None = None,
    ) -> None:
        self._stream = stream
        self._lock = lock
        self._room = room
        self._line = line
        self._queue = queue
        self._refusals = refusals
        self._timer = timer
        self._times = times
        self._share = share
        # One look-up, for the stream that shares its room and for the one that does not.
        self._fits = room.fits if share is None else share.fits
        self._closed: TelemetryError | None = None

    @property
    def accepted(self) -> int:
        """How many events were accepted: as many as have a number."""
        return self._stream.next_sequence

    @property
    def waiting(self) -> int:
        """How many events wait for room or for a key."""
        return len(self._line)

    @property
    def is_waiting(self) -> bool:
        """Whether any event waits."""
        return bool(self._line)

    @property
    def lacks_key(self) -> bool:
        """Whether the first event that waits lacks a key, not room."""
        return bool(self._line) and self._line.lacks_key

    @property
    def oldest_waiting_seconds(self) -> float:
        """How long the first event has waited; 0 where none does."""
        return self._line.oldest_seconds

    @property
    def is_closed(self) -> bool:
        """Whether every call is refused: at a shutdown, or because the sender has failed."""
        return self._closed is not None

    def offer(self, draft: EventDraft | RelayedEvent, level: int = ACCEPTED) -> Receipt:
        """Accept the event now, or have it wait.

        Args:
            draft: The event.
            level: What awaiting the receipt waits for.

        Returns:
            The receipt; where the event waits, it is not accepted yet.

        Raises:
            BackpressureError: So many events wait that none may join them.
            EncryptionError: There is no data key, and events do not wait for one.
            LifecycleError: The pipeline is shut down.
        """
        lock = self._lock
        # By hand, because `with` costs twice as much.
        lock.acquire()
        try:
            if self._closed is not None:
                raise self._closed
            line = self._line
            if (not line or line.may_pass(draft)) and self._fits(len(draft.json_after_sequence)):
                receipt = self._accept(draft, level)
                if receipt is not None:
                    return receipt
            self._find_what_lacks(draft)
            lacks_key, refusal, timer = self._line.lacks_key, self._refusal_of(draft), None
            receipt = Receipt(draft.id, _asked=level, _level=WAITING)
            if refusal is None:
                self._line.append(draft, receipt)
                timer = self._watch_line()
        finally:
            lock.release()
        if lacks_key:
            self.request_key()
        if timer is not None:
            timer.start()
        if refusal is not None:
            raise refusal
        return receipt

    def request_key(self) -> None:
        """Request a key for the events that wait; the lock is not held."""
        if self._stream.keys is not None:
            self._stream.keys.request(self)

    def waiting_subjects(self) -> list[str]:
        """Return the subjects of the events that wait, in their order."""
        with self._lock:
            return self._line.subjects

    def key_arrived(self) -> None:
        """Accept the events that wait, now that there is a key."""
        with self._lock:
            self.accept_waiting(_ALL)
            needs_key = self.lacks_key
        if needs_key:
            self.request_key()

    def key_unavailable(self, error: TelemetryError) -> None:
        """Refuse every event that waits: no key can be fetched."""
        with self._lock:
            refused = self._line.take_all()
        self._refuse(refused, error)

    def expire(self) -> float | None:
        """Refuse the events that waited too long; return the seconds until the next one has, or None if nothing waits."""
        while True:
            with self._lock:
                seconds = self._line.expires_in
                if seconds is None or seconds > 0:
                    return seconds
                error = self._why_waiting()
                expired = [self._line.take_first()]
                # The one that gave up may have been too large; those after it may fit.
                self.accept_waiting(_ALL)
                needs_key = self.lacks_key
            if needs_key:
                self.request_key()
            self._refuse(expired, error)

    def close(self, error: TelemetryError) -> None:
        """Refuse every further call with ``error``; the events that wait may still be accepted."""
        with self._lock:
            self._closed = error

    def close_if_unused(self, error: TelemetryError) -> bool:
        """Refuse every further call with ``error``, unless an event waits or is not settled; return whether it is closed.

        Only a stream that shares its room can tell what of it is not settled.
        """
        with self._lock:
            if self._line or self._share is None or self._share.events:
                return False
            self._closed = error
        return True

    def refuse_waiting(self) -> None:
        """Refuse the events that still wait after :meth:`close`."""
        with self._lock:
            refused = self._line.take_all()
        if self._closed is not None:
            self._refuse(refused, self._closed)

    def accept_waiting(self, most: int) -> int:
        """Accept from the head of the line, ``most`` events at most; the lock is held. Return how many."""
        line, accepted = self._line, list[Receipt]()
        line.lacks_key = False
        while line and len(accepted) < most and self._fits(len(line.first.draft.json_after_sequence)):
            if self._accept(line.first.draft, ACCEPTED, line.first.receipt) is None:
                line.lacks_key = True
                break
            accepted.append(line.take_first().receipt)
        # Wakes loops and threads, and takes only the lock of the receipts.
        notify(accepted)
        return len(accepted)

    def _find_what_lacks(self, draft: EventDraft | RelayedEvent) -> None:
        """Record what the first event of the line lacks, where this one becomes the first; the lock is held."""
        if not self._line:
            self._line.lacks_key = self._fits(len(draft.json_after_sequence))

    def _why_waiting(self) -> TelemetryError:
        """Return the error for an event that waited too long, or cannot wait at all; the lock is held."""
        if self._line.lacks_key and self._stream.keys is not None:
            return self._stream.keys.missing()
        message = (
            f"the queue stayed full for {self._line.patience * 1_000:.0f} ms; the event was not logged; "
            "Kafka and the fallback do not keep up"
        )
        return BackpressureError(message)

    def _refusal_of(self, draft: EventDraft | RelayedEvent) -> TelemetryError | None:
        """Return why an event may not wait, or None if it may; the lock is held."""
        if self._line.patience <= 0:
            return self._why_waiting()
        if self._line.has_room(draft):
            return None
        message = (
            f"the queue is full, and {len(self._line)} events wait, as many as may; the event was not logged; "
            "Kafka and the fallback, or the key service, do not keep up"
        )
        return BackpressureError(message)

    def _watch_line(self) -> Worker | None:
        """Have room and timer look at the line, in which an event waits; the lock is held. Return a thread to start."""
        if len(self._line) > 1:
            return None
        self._room.add_waiter(self)
        return self._timer.watch(self)

    def _refuse(self, refused: Sequence[WaitingEvent], error: TelemetryError) -> None:
        if not refused:
            return
        # Counted first: a call that has raised is in the statistics already.
        self._refusals.refused(error, calls=len(refused))
        waited = [event.receipt for event in refused if mark_failed(event.receipt, error)]
        self._refusals.lost(error, events=unheard((event.receipt for event in refused), waited))
        notify(waited)

    def _accept(self, draft: EventDraft | RelayedEvent, level: int, receipt: Receipt | None = None) -> Receipt | None:
        """Seal, number and queue an event; return None, and use no number, where a key is missing."""
        stream = self._stream
        producer, sequence = stream.producer, stream.next_sequence
        record: SealedRecord | None
        # Not isinstance(): of a struct it takes ten times as long, on the way of each event.
        if type(draft) is RelayedEvent:
            record = draft.in_place(producer, sequence)
        elif sequence % _TIMED_EVERY:
            record = stream.sealer.seal(draft, producer, sequence)
        else:
            record = self._seal_timed(draft, producer, sequence)
        if record is None:
            return None
        if receipt is None:
            receipt = Receipt(draft.id, producer, sequence, level)
        else:
            mark_accepted(receipt, producer, sequence)
        record.receipt = receipt
        stream.next_sequence = sequence + 1
        room = self._room
        room.free_events -= 1
        room.free_bytes -= record.size
        share = self._share
        if share is not None:
            share.take(record.size)
        self._queue.add(record)
        return receipt

    def _seal_timed(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        began = perf_counter()
        record = self._stream.sealer.seal(draft, producer, sequence)
        if record is not None:
            self._times.add(perf_counter() - began)
        return record

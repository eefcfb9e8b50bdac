"""The retry worker: brings stored objects back to the topic, oldest first, and deletes them only then."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from telemetry.audit.backoff import Backoff
from telemetry.audit.fallback import FallbackHandler
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.transport import KafkaTransport
from telemetry.exceptions import (
    FormatError,
    RecordTooLargeError,
    StorageError,
    StorageLimitError,
    StorageNotFoundError,
    TransportError,
    VerificationError,
)
from telemetry.format.fallback_object import (
    ObjectName,
    StoredRecord,
    decode_object,
    encode_object,
    parse_object_name,
    require_own_name,
)
from telemetry.format.message import REPLAY_HEADER
from telemetry.kafka.errors import is_poison, reason_of
from telemetry.storage import StorageProvider, storable_name
from telemetry.storage.lock import Lock

logger = logging.getLogger("telemetry.replay")

SCAN_SECONDS = 60.0
LEASE_SECONDS = 30.0
QUARANTINE = "quarantine"
REJECTED = "rejected"

_WINDOW_BYTES = 16 << 20
_PROBE_SECONDS = 5.0
_PACE_EVENTS = 1_000
_HOLD_PASSES, _HOLD_SECONDS = 3, 1.0

TransportMaker = Callable[[Callable[[list[SealedRecord]], None], Callable[[], None], str], KafkaTransport]


Progress = Callable[[str, int], None]
"""Told name and events of each object that is done."""


class _Entry(NamedTuple):
    parts: ObjectName
    created: str
    producer: str
    first: int
    name: str
    size: int


class _InFlight(NamedTuple):
    entry: _Entry
    records: list[SealedRecord]
    headers: list[tuple[str, bytes]]


class _OutageError(Exception):
    """Kafka stopped taking records; what was sent is sent again later."""


class RetryWorker:
    """Replays the objects of one topic. Among all processes on a store only the one that holds the lock works.

    It may be killed at any step: an object is deleted after Kafka acknowledged each of its records, and records that
    are sent twice are recognised as duplicates by ``id``.

    Args:
        store: Where the objects are.
        topic: Which objects, and where they go.
        make_transport: Opens a Kafka transport of the worker's own.
        ledger: Counts what was replayed and rejected.
        owner: This process, for the lock.
        max_rate: Events a second.
        max_refusals: How often an object may be refused for want of authorisation before it is set aside.
        handler: The handler whose objects these are, in a process that logs.
        on_ready: Told when Kafka answers and nothing of this process is left in the store.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        topic: str,
        make_transport: TransportMaker,
        ledger: Ledger,
        owner: str,
        max_rate: float,
        max_refusals: int,
        handler: FallbackHandler | None = None,
        on_ready: Callable[[], None] | None = None,
        on_object: Progress | None = None,
    ) -> None:
        self._store = store
        self._topic = topic
        self._make_transport = make_transport
        self._ledger = ledger
        self._owner = owner
        self._max_rate = max_rate
        self._max_refusals = max_refusals
        self._handler = handler
        self._on_ready = on_ready
        self._on_object = on_object
        self._refusals: dict[str, int] = {}
        self._unmovable: set[str] = set()
        self._backoff = Backoff(first=0.5, longest=10.0)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._diverted = False
        self._transport: KafkaTransport | None = None
        self._trouble: TransportError | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work in a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="telemetry-replay", daemon=True)
        self._thread.start()

    def divert(self, *, diverted: bool) -> None:
        """Tell the worker whether the process sends its events to the fallback now."""
        self._diverted = diverted
        self._wake.set()

    def close(self, timeout: float = 5.0) -> None:
        """End the work after the current step; objects that are not acknowledged stay."""
        self._stopping.set()
        self._wake.set()
        transport = self._transport
        if transport is not None:
            transport.fail(TransportError("the retry worker is closing"))
        if self._thread is not None:
            self._thread.join(timeout)

    def drain(self) -> None:
        """Replay everything once, in this thread.

        Raises:
            TransportError: Kafka does not take the records; what is not acknowledged stays.
            StorageError: Another process replays now, or the store fails.
        """
        with self._store.lock(f"replay-{self._topic}", owner=self._owner, seconds=LEASE_SECONDS) as lock:
            if not lock:
                message = f"another process replays the objects of topic {self._topic!r} now; it does this work"
                raise StorageError(message)
            try:
                self._drain(lock)
            finally:
                self._drop_transport()

    def _drain(self, lock: Lock) -> None:
        while True:
            if self._connect() is None:
                raise self._trouble or TransportError("Kafka cannot be reached")
            try:
                if self._replay_all(lock) == 0:
                    return
            except _OutageError:
                if self._trouble is not None and not is_poison(self._trouble):
                    raise self._trouble from None
            if not lock.held:
                message = "the lock on the store was lost; run the command again"
                raise StorageError(message)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            finished = self._guarded_round()
            if self._stopping.is_set():
                return
            self._wake.wait(self._pause(finished=finished))

    def _guarded_round(self) -> bool:
        try:
            return self._round()
        except StorageError as exc:
            if self._backoff.is_first:
                logger.warning("the fallback store cannot be read; replay is tried again: %s", exc)
        except Exception:
            logger.exception("replay failed; it is tried again")
        return False

    def _pause(self, *, finished: bool) -> float:
        if finished and not self._diverted:
            self._backoff.reset()
            return SCAN_SECONDS
        return self._backoff.next()

    def _round(self) -> bool:
        """Do all the work there is; return whether nothing is left to do now."""
        if not self._diverted and next(self._store.list(f"{self._topic}/"), None) is None:
            return True
        with self._store.lock(f"replay-{self._topic}", owner=self._owner, seconds=LEASE_SECONDS) as lock:
            if not lock:
                return self._follow_other_worker()
            try:
                return self._work(lock)
            finally:
                self._drop_transport()

    def _follow_other_worker(self) -> bool:
        """Another process replays: look which of our objects it has done."""
        if self._handler is None:
            return False
        self._handler.keep_only({entry.name for entry in self._store.list(f"{self._topic}/")})
        if self._diverted and self._handler.is_drained:
            transport = self._connect()
            self._drop_transport()
            if transport is not None:
                self._ready()
        return not self._diverted

    def _work(self, lock: Lock) -> bool:
        transport = self._connect()
        if transport is None:
            return False
        while lock.held and not self._stopping.is_set():
            began = time.monotonic()
            try:
                if self._replay_all(lock) == 0:
                    self._ready()
                    return True
            except _OutageError:
                return False
            self._hand_over(time.monotonic() - began)
        return False

    def _hand_over(self, took: float) -> None:
        """After a pass over the store, let this process's events go to Kafka again as soon as none of them is stored.

        Objects of other processes may remain: order is kept within a process.
        """
        if self._handler is None or not self._diverted:
            return
        if self._handler.is_drained:
            self._ready()
        else:
            self._handler.hold(min(max(_HOLD_PASSES * took, _HOLD_SECONDS), _PROBE_SECONDS))

    def _ready(self) -> None:
        self._backoff.reset()
        if self._on_ready is not None:
            self._on_ready()

    def _connect(self) -> KafkaTransport | None:
        if self._transport is None or self._transport.failure is not None:
            self._drop_transport()
            self._transport = self._make_transport(_ignore_records, _ignore, "telemetry-replay-poller")
        self._trouble = self._transport.probe(_PROBE_SECONDS)
        if self._trouble is None:
            return self._transport
        self._drop_transport()
        return None

    def _drop_transport(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.take_back()

    def _replay_all(self, lock: Lock) -> int:
        """Replay every object in the store once; return how many there were."""
        count, window, waiting = 0, 0, deque[_InFlight]()
        for entry in self._entries():
            if self._stopping.is_set() or not lock.held:
                break
            records = self._read(entry)
            if records is None:
                continue
            count += 1
            sent = _InFlight(entry, records, _origin(entry.name))
            self._send(sent)
            waiting.append(sent)
            window += entry.size
            while window > _WINDOW_BYTES:
                window -= waiting[0].entry.size
                self._finish(waiting.popleft(), lock)
        while waiting:
            self._finish(waiting.popleft(), lock)
        return count

    def _entries(self) -> Iterator[_Entry]:
        """Yield the objects, oldest first, but each producer's in the order of its sequence."""
        streams: dict[str, list[_Entry]] = {}
        for stored in self._store.list(f"{self._topic}/"):
            name = parse_object_name(stored.name)
            if name is None:
                self._quarantine(stored.name, "its name is not one of this library")
                continue
            first = -1 if name.first is None else name.first
            entry = _Entry(name, name.created, name.producer, first, stored.name, stored.size)
            streams.setdefault(name.producer, []).append(entry)
        queues = [
            deque(sorted(entries, key=lambda entry: (entry.first, entry.created))) for entries in streams.values()
        ]
        heads = [(queue[0].created, number) for number, queue in enumerate(queues)]
        heapq.heapify(heads)
        while heads:
            _, number = heapq.heappop(heads)
            yield queues[number].popleft()
            if queues[number]:
                heapq.heappush(heads, (queues[number][0].created, number))

    def _read(self, entry: _Entry) -> list[SealedRecord] | None:
        try:
            found = decode_object(self._store.get(entry.name))
            require_own_name(found.header, entry.parts)
        except StorageNotFoundError:
            self._forget(entry.name)
            return None
        except (FormatError, VerificationError, StorageLimitError) as exc:
            self._quarantine(entry.name, str(exc))
            return None
        return [
            SealedRecord.written(
                "", producer=entry.producer, sequence=record.sequence, key=record.key, value=record.value
            )
            for record in found.records
        ]

    def _send(self, sent: _InFlight) -> None:
        transport = self._transport
        if transport is None:
            raise _OutageError
        for at in range(0, len(sent.records), _PACE_EVENTS):
            part = sent.records[at : at + _PACE_EVENTS]
            began = time.monotonic()
            transport.send(part, headers=sent.headers)
            spare = len(part) / self._max_rate - (time.monotonic() - began)
            if spare > 0:
                self._stopping.wait(spare)

    def _finish(self, sent: _InFlight, lock: Lock) -> None:
        """Wait until an object's records are acknowledged, then delete it."""
        transport = self._transport
        if transport is None:
            raise _OutageError
        if not transport.wait_for(sent.records):
            self._recover(sent, transport)
            return
        self._delete(sent.entry, lock, events=_events(sent.records))

    def _recover(self, sent: _InFlight, transport: KafkaTransport) -> None:
        self._trouble = error = transport.failure
        self._drop_transport()
        if error is None or not is_poison(error):
            raise _OutageError
        self._ledger.send_failed(error)
        if isinstance(error, RecordTooLargeError):
            self._isolate(sent)
        else:
            self._count_refusal(sent, error)
        # The window's other objects were taken back with this one: they are read and sent anew.
        raise _OutageError

    def _count_refusal(self, sent: _InFlight, error: TransportError) -> None:
        name = sent.entry.name
        self._refusals[name] = self._refusals.get(name, 0) + 1
        if self._refusals[name] > self._max_refusals:
            del self._refusals[name]
            self._set_aside(sent.entry, sent.records, error)
            self._delete(sent.entry, None, events=0)

    def _isolate(self, sent: _InFlight) -> None:
        """Send an object's records one by one, and set aside those that Kafka will never take."""
        rejected: list[SealedRecord] = []
        last: TransportError | None = None
        for record in sent.records:
            record.forget_report()
            transport = self._connect()
            if transport is None:
                raise _OutageError
            transport.send([record], headers=sent.headers)
            if transport.wait_for([record]):
                continue
            error = transport.failure
            self._drop_transport()
            if error is None or not is_poison(error):
                raise _OutageError
            rejected.append(record)
            last = error
        if last is not None:
            self._set_aside(sent.entry, rejected, last)
        self._delete(sent.entry, None, events=_events(sent.records) - _events(rejected))

    def _set_aside(self, entry: _Entry, records: list[SealedRecord], error: TransportError) -> None:
        reason = reason_of(error)
        stored = [StoredRecord(record.key, record.value, record.sequence) for record in records]
        data = encode_object(stored, topic=self._topic, producer=entry.producer, reason=reason)
        self._store.put(f"{REJECTED}/{entry.name}", data)
        self._ledger.rejected(_events(records), reason=reason)
        logger.error("%d events of %s are set aside under %s/: %s", _events(records), entry.name, REJECTED, error)

    def _quarantine(self, name: str, reason: str) -> None:
        """Move a damaged or foreign object out of the way; its bytes are kept."""
        try:
            self._store.put(f"{QUARANTINE}/{storable_name(name)}", self._store.get(name))
            self._store.delete(name)
        except StorageNotFoundError:
            return
        except StorageLimitError as exc:
            if name not in self._unmovable:
                self._unmovable.add(name)
                logger.error("the stored object %r stays where it is: %s", name, exc)  # noqa: TRY400 - the cause is in the line
            return
        self._forget(name)
        logger.error("the stored object %s is moved to %s/: %s", name, QUARANTINE, reason)

    def _delete(self, entry: _Entry, lock: Lock | None, *, events: int) -> None:
        if lock is not None and not lock.held:
            # Another process works now and sends this object again: a duplicate, never a loss.
            raise _OutageError
        self._store.delete(entry.name)
        self._forget(entry.name)
        self._ledger.replayed(events)
        if self._on_object is not None:
            self._on_object(entry.name, events)

    def _forget(self, name: str) -> None:
        if self._handler is not None:
            self._handler.forget(name)


def _origin(name: str) -> list[tuple[str, bytes]]:
    """Return the headers that say where a record was meanwhile; one list for a whole object."""
    return [(REPLAY_HEADER, name.encode())]


def _events(records: list[SealedRecord]) -> int:
    return sum(1 for record in records if record.sequence is not None)


def _ignore_records(_records: list[SealedRecord]) -> None:
    """Replayed records are looked at when their whole object is done."""


def _ignore() -> None:
    """The worker sees a failure when it waits for the object."""

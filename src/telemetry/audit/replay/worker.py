"""The retry worker: brings stored objects back to the topic, oldest first, and deletes them only then."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import NamedTuple, NoReturn, Protocol

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.fallback.readiness import ReadyListener
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.deletions import DeletionQueue
from telemetry.audit.replay.object_reader import ObjectReader
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.audit.send.connector import IgnoreReports
from telemetry.audit.send.transport import KafkaTransport, TransportListener
from telemetry.exceptions import RecordTooLargeError, StorageError, TransportError
from telemetry.format.value.message import REPLAY_HEADER
from telemetry.kafka.errors import is_poison
from telemetry.storage import StorageProvider
from telemetry.storage.lock import Lock
from telemetry.system.backoff import Backoff
from telemetry.system.worker_pool import WorkerPool

logger = logging.getLogger("telemetry.replay")

SCAN_SECONDS = 60.0
LEASE_SECONDS = 30.0

_WINDOW_BYTES = 24 << 20
_POOL_THREADS = 8
_PROBE_SECONDS = 5.0
_PACE_EVENTS, _PACE_SECONDS = 1_000, 0.1
_HOLD_PASSES, _HOLD_SECONDS = 3, 1.0


class PatientConnector(Protocol):
    """Opens Kafka transports that slowness alone does not fail; ``send.connector.KafkaConnector`` is one."""

    def open_patient(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport whose polling thread is called ``name``."""


class OnObjectDone(Protocol):
    """Is called for each object that is done."""

    def __call__(self, name: str, events: int) -> None:
        """Be called with the object's name, and how many of its events reached the topic."""


class _InFlight(NamedTuple):
    waiting: WaitingObject
    records: list[SealedRecord]
    headers: list[tuple[str, bytes]]


class _OutageError(Exception):
    """Kafka stopped taking records, or the lock is lost; what was sent is sent again later."""


class _AgainError(Exception):
    """A refused record is out of the way; what was sent behind it is sent again now."""


class RetryWorker:
    """Replays the objects of one topic. Among all processes on a store only the one that holds the lock works.

    It may be killed at any step: an object is deleted after Kafka acknowledged each of its records, and records that
    are sent twice are recognised as duplicates by ``id``.

    Args:
        store: Where the objects are.
        topic: Which objects, and where they go.
        kafka: Opens a Kafka transport of the worker's own.
        ledger: Counts what was replayed and rejected.
        owner: This process, for the lock.
        max_rate: Events a second.
        max_refusals: How often an object may be refused for want of authorisation before it is set aside.
        handler: The handler whose objects these are, in a process that logs.
        listener: Notified when Kafka answers and nothing of this process is left in the store.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        topic: str,
        kafka: PatientConnector,
        ledger: Ledger,
        owner: str,
        max_rate: float,
        max_refusals: int,
        handler: FallbackHandler | None = None,
        listener: ReadyListener | None = None,
        on_object: OnObjectDone | None = None,
    ) -> None:
        self._store = store
        self._topic = topic
        self._kafka = kafka
        self._ledger = ledger
        self._owner = owner
        self._max_rate = max_rate
        self._max_refusals = max_refusals
        self._handler = handler
        self._listener = listener
        self._on_object = on_object
        self._aside = Quarantine(store, topic=topic)
        self._refusals: dict[str, int] = {}
        self._reader = ObjectReader(store, topic=topic, aside=self._aside, on_gone=self._forget)
        self._backoff = Backoff(first=0.5, longest=10.0)
        self._due = 0.0
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

    def drain(self, *, rejected: bool = False) -> None:
        """Replay everything once, in this thread.

        Args:
            rejected: Put the objects that were set aside as rejected back first.

        Raises:
            TransportError: Kafka does not take the records; what is not acknowledged stays.
            StorageError: Another process replays now, or the store fails.
        """
        with self._store.lock(f"replay-{self._topic}", owner=self._owner, seconds=LEASE_SECONDS) as lock:
            if not lock:
                message = f"another process replays the objects of topic {self._topic!r} now; it does this work"
                raise StorageError(message)
            if rejected:
                self._aside.restore()
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
                    self._reader.require_all_readable()
                    return
            except _AgainError:
                pass
            except _OutageError:
                if self._trouble is not None:
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
        self._forget_gone()
        if self._diverted and self._handler.is_drained:
            transport = self._connect()
            self._drop_transport()
            if transport is not None:
                self._ready()
        return not self._diverted

    def _work(self, lock: Lock) -> bool:
        while lock.held and not self._stopping.is_set():
            if self._connect() is None:
                return False
            began = time.monotonic()
            try:
                is_empty = self._replay_all(lock) == 0
            except _AgainError:
                continue
            except _OutageError:
                return False
            self._forget_gone()
            if is_empty:
                self._ready()
                return True
            self._hand_over(time.monotonic() - began)
        return False

    def _forget_gone(self) -> None:
        """Have the handler forget objects of its own that are not in the store any more.

        Another process brought them to the topic, or this worker did it before their write had returned.
        """
        if self._handler is not None and not self._handler.is_drained:
            self._handler.keep_only(stored.name for stored in self._store.list(f"{self._topic}/"))

    def _hand_over(self, took: float) -> None:
        """After a pass over the store, let this process's events go to Kafka again as soon as none of them is stored.

        Objects of other processes may remain: order is kept within a process.
        """
        if self._handler is None or not self._diverted:
            return
        if self._handler.is_drained:
            self._ready()
        else:
            self._handler.pause_new_objects(min(max(_HOLD_PASSES * took, _HOLD_SECONDS), _PROBE_SECONDS))

    def _ready(self) -> None:
        self._backoff.reset()
        if self._listener is not None:
            self._listener.kafka_is_ready()

    def _connect(self) -> KafkaTransport | None:
        if self._transport is None or self._transport.failure is not None:
            self._drop_transport()
            self._transport = self._kafka.open_patient(IgnoreReports(), name="telemetry-replay-poller")
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
        with WorkerPool(_POOL_THREADS, name="telemetry-replay-store") as pool:
            deletions = DeletionQueue(pool, self._store, self._count_replayed)
            try:
                return self._pass_over(pool, deletions, lock)
            finally:
                # Otherwise the next pass would list, and send again, what is just being deleted.
                deletions.settle(0)

    def _pass_over(self, pool: WorkerPool, deletions: DeletionQueue, lock: Lock) -> int:
        sent = deque[_InFlight]()
        try:
            count = self._send_all(pool, sent, deletions, lock)
        except StorageError:
            # What was sent before is not to be sent again each time that the store fails for a moment.
            self._finish_all(sent, deletions, lock)
            raise
        self._finish_all(sent, deletions, lock)
        return count

    def _send_all(self, pool: WorkerPool, sent: deque[_InFlight], deletions: DeletionQueue, lock: Lock) -> int:
        count, window = 0, 0
        for waiting, records in self._reader.read_all(pool):
            if self._stopping.is_set() or not lock.held:
                break
            count += 1
            flight = _InFlight(waiting, records, _origin(waiting.name))
            self._send(flight, lock)
            sent.append(flight)
            window += waiting.size
            while sent and (window > _WINDOW_BYTES or sent[0].records[-1].reported):
                window -= sent[0].waiting.size
                self._finish(sent.popleft(), deletions, lock)
        return count

    def _finish_all(self, sent: deque[_InFlight], deletions: DeletionQueue, lock: Lock) -> None:
        while sent:
            self._finish(sent.popleft(), deletions, lock)

    def _send(self, sent: _InFlight, lock: Lock) -> None:
        size = min(max(int(self._max_rate * _PACE_SECONDS), 1), _PACE_EVENTS)
        for at in range(0, len(sent.records), size):
            transport = self._transport
            if transport is None or self._stopping.is_set() or not lock.held:
                raise _OutageError
            part = sent.records[at : at + size]
            transport.send(part, headers=sent.headers)
            self._keep_pace(len(part))

    def _keep_pace(self, events: int) -> None:
        now = time.monotonic()
        # Who woke up late may make up for it, but not for a long pause.
        self._due = max(self._due, now - _PACE_SECONDS) + events / self._max_rate
        if self._due > now:
            self._stopping.wait(self._due - now)

    def _finish(self, sent: _InFlight, deletions: DeletionQueue, lock: Lock) -> None:
        """Wait until an object's records are acknowledged, then have it deleted."""
        transport = self._transport
        if transport is None:
            raise _OutageError
        if not transport.wait_for(sent.records):
            self._recover(sent, transport.failure, lock)
        if not lock.held:
            # Another process works now and sends this object again: a duplicate, never a loss.
            raise _OutageError
        deletions.begin(sent.waiting, events=_events(sent.records))
        deletions.settle(2 * _POOL_THREADS)

    def _recover(self, sent: _InFlight, error: TransportError | None, lock: Lock) -> NoReturn:
        """Deal with an object that was not acknowledged; the window's others were taken back with it."""
        self._trouble = error
        self._drop_transport()
        if error is None or not is_poison(error):
            raise _OutageError
        self._ledger.send_failed(error)
        if isinstance(error, RecordTooLargeError):
            self._isolate(sent, lock)
            raise _AgainError
        self._count_refusal(sent, error)
        raise _OutageError

    def _count_refusal(self, sent: _InFlight, error: TransportError) -> None:
        if self._handler is None:
            return  # a person replays, and is told
        name = sent.waiting.name
        self._refusals[name] = self._refusals.get(name, 0) + 1
        if self._refusals[name] > self._max_refusals:
            del self._refusals[name]
            self._reject(sent.waiting, sent.records, error)
            self._delete(sent.waiting, events=0)
            raise _AgainError

    def _isolate(self, sent: _InFlight, lock: Lock) -> None:
        """Find the records that Kafka will never take by halving, and set them aside; the others are sent."""
        rejected: list[SealedRecord] = []
        last: TransportError | None = None
        parts = [sent.records]
        while parts:
            part = parts.pop()
            error = self._try(sent._replace(records=part), lock)
            if error is None:
                continue
            if len(part) > 1:
                parts += [part[len(part) // 2 :], part[: len(part) // 2]]
            else:
                rejected += part
                last = error
        if last is not None:
            self._reject(sent.waiting, rejected, last)
        self._delete(sent.waiting, events=_events(sent.records) - _events(rejected))

    def _try(self, sent: _InFlight, lock: Lock) -> RecordTooLargeError | None:
        """Send records and wait for them; return an error if one of them is too large."""
        transport = self._connect()
        if transport is None:
            raise _OutageError
        for record in sent.records:
            record.forget_report()
        self._send(sent, lock)
        if transport.wait_for(sent.records):
            return None
        error = transport.failure
        self._drop_transport()
        if isinstance(error, RecordTooLargeError):
            return error
        self._trouble = error
        raise _OutageError

    def _reject(self, waiting: WaitingObject, records: list[SealedRecord], error: TransportError) -> None:
        reason = self._aside.reject(waiting, records, error)
        self._ledger.rejected(_events(records), reason=reason)

    def _delete(self, waiting: WaitingObject, *, events: int) -> None:
        self._store.delete(waiting.name)
        self._count_replayed(waiting, events)

    def _count_replayed(self, waiting: WaitingObject, events: int) -> None:
        self._forget(waiting.name)
        self._ledger.replayed(events)
        if self._on_object is not None:
            self._on_object(waiting.name, events)

    def _forget(self, name: str) -> None:
        if self._handler is not None:
            self._handler.forget(name)


def _origin(name: str) -> list[tuple[str, bytes]]:
    """Return the headers that say where a record was meanwhile; one list for a whole object."""
    return [(REPLAY_HEADER, name.encode())]


def _events(records: list[SealedRecord]) -> int:
    return sum(1 for record in records if record.sequence is not None)

"""Replays all stored objects once: reads them in order, sends a window of them, and deletes what is acknowledged."""

from __future__ import annotations

from collections import deque

from telemetry.audit.fallback.object_form import ObjectForm
from telemetry.audit.marks.own_objects import OwnObjects
from telemetry.audit.replay.deletions import DeletionQueue
from telemetry.audit.replay.kafka_link import KafkaLink, PatientConnector
from telemetry.audit.replay.object_reader import ObjectReader
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.paced_sender import InFlight, PacedSender
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.poison import PoisonFilter
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.audit.replay.turn import Turn
from telemetry.exceptions import StorageError, TransportError
from telemetry.format.objects.stored_name import PLAIN, SHELVES, Shelf
from telemetry.kafka.errors import is_poison
from telemetry.storage import StorageProvider
from telemetry.system.worker_pool import WorkerPool

_WINDOW_BYTES = 24 << 20
_POOL_THREADS = 8


class Replayer:
    """Replays the objects of one topic, pass by pass, in the thread that calls it.

    It may be killed at any step: an object is deleted after Kafka acknowledged each of its records, and records that
    are sent twice are recognised as duplicates by ``id``.

    Args:
        store: Store of the objects.
        topic: Topic of the objects, to which they go.
        kafka: Connector that opens transports.
        outcomes: Records what became of each object.
        own: Opens the objects of this service.
        max_rate: Events a second.
        max_refusals: Number of times that an object may be refused because a right is missing before it is rejected;
            None never to reject it for that.
        form: Form in which rejected records are stored; default: lines of records.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        topic: str,
        kafka: PatientConnector,
        outcomes: ObjectOutcomes,
        own: OwnObjects,
        max_rate: float,
        max_refusals: int | None,
        form: ObjectForm | None = None,
    ) -> None:
        self._store = store
        self._outcomes = outcomes
        self.link = KafkaLink(kafka)
        """Connection to Kafka; its owner connects before each pass, and drops it at the end of the turn."""
        self.quarantine = Quarantine(store, topic=topic, form=form)
        """What was rejected, or is damaged or foreign."""
        self._readers = _readers(store, topic=topic, own=own, quarantine=self.quarantine, outcomes=outcomes)
        self._sender = PacedSender(self.link, max_rate=max_rate)
        self._poison = PoisonFilter(
            store,
            quarantine=self.quarantine,
            outcomes=outcomes,
            link=self.link,
            sender=self._sender,
            max_refusals=max_refusals,
        )

    def run_pass(self, turn: Turn, shelf: Shelf = PLAIN) -> PassResult:
        """Replay what is on a shelf of the store now.

        Args:
            turn: Turn of this process on that shelf.
            shelf: The part of the store.

        Raises:
            StorageError: The store fails; the objects that Kafka acknowledged before are deleted all the same.
        """
        with WorkerPool(_POOL_THREADS, name="telemetry-replay-store") as pool:
            deletions = DeletionQueue(pool, self._store, self._outcomes)
            try:
                return ReplayPass(
                    reader=self._readers[shelf],
                    sender=self._sender,
                    poison=self._poison,
                    link=self.link,
                    deletions=deletions,
                    turn=turn,
                ).run(pool)
            finally:
                # Otherwise the next pass would list, and send again, objects that are just being deleted.
                deletions.wait_until_at_most(0)

    def require_all_readable(self) -> None:
        """Raise ``StorageAccessDeniedError`` if the last pass had to leave objects that it may not read."""
        for reader in self._readers.values():
            reader.require_all_readable()


def _readers(
    store: StorageProvider, *, topic: str, own: OwnObjects, quarantine: Quarantine, outcomes: ObjectOutcomes
) -> dict[Shelf, ObjectReader]:
    """Return a reader for each shelf; each knows the one whose objects come before its own."""
    readers: dict[Shelf, ObjectReader] = {}
    before: ObjectReader | None = None
    for shelf in SHELVES:
        before = readers[shelf] = ObjectReader(
            store, topic=topic, own=own, quarantine=quarantine, outcomes=outcomes, shelf=shelf, before=before
        )
    return readers


class ReplayPass:
    """One pass, with its window: the objects that are sent and not acknowledged, oldest first.

    Several objects are on their way at a time, so that Kafka's client always has records to send; each is finished in
    the order of sending. When one fails, its transport ends, and with it the whole window.

    Args:
        reader: Reads the objects in order.
        sender: Sends their records.
        poison: Deals with records that Kafka refuses.
        link: Connection to Kafka.
        deletions: Deletes what is acknowledged.
        turn: Turn of this process.
    """

    def __init__(
        self,
        *,
        reader: ObjectReader,
        sender: PacedSender,
        poison: PoisonFilter,
        link: KafkaLink,
        deletions: DeletionQueue,
        turn: Turn,
    ) -> None:
        self._reader = reader
        self._sender = sender
        self._poison = poison
        self._link = link
        self._deletions = deletions
        self._turn = turn
        self._window: deque[InFlight] = deque()
        self._window_bytes = 0

    def run(self, pool: WorkerPool) -> PassResult:
        """Send every object, then finish what is still in the window.

        Args:
            pool: Threads that read ahead.
        """
        try:
            sent = self._send_all(pool)
        except StorageError:
            # What is in the window must not be sent again each time that the store fails for a moment.
            finished = self._finish_window()
            if finished is not PassResult.DONE:
                return finished
            raise
        # The transport has ended, and has taken back every record in the window.
        if sent in (PassResult.OUTAGE, PassResult.AGAIN):
            return sent
        finished = self._finish_window()
        return sent if finished is PassResult.DONE else finished

    def _send_all(self, pool: WorkerPool) -> PassResult:
        result = PassResult.EMPTY
        for waiting, records in self._reader.read_all(pool):
            # Asked for each object: a lease can be lost while the store reads the next one.
            if not self._turn.may_go_on:
                return PassResult.INTERRUPTED
            flight = InFlight.of(waiting, records)
            if not self._sender.send(flight, self._turn):
                return PassResult.OUTAGE
            self._window.append(flight)
            self._window_bytes += waiting.size
            result = self._finish_acknowledged()
            if result is not PassResult.DONE:
                return result
        return result

    def _finish_acknowledged(self) -> PassResult:
        """Finish the oldest objects as far as Kafka has reported on them, and as long as the window is too large."""
        while self._window and (self._window_bytes > _WINDOW_BYTES or self._window[0].records[-1].reported):
            result = self._finish_oldest()
            if result is not PassResult.DONE:
                return result
        return PassResult.DONE

    def _finish_window(self) -> PassResult:
        while self._window:
            result = self._finish_oldest()
            if result is not PassResult.DONE:
                return result
        return PassResult.DONE

    def _finish_oldest(self) -> PassResult:
        """Wait until the oldest object's records are acknowledged, then begin to delete it."""
        flight = self._window.popleft()
        self._window_bytes -= flight.waiting.size
        transport = self._link.transport
        if transport is None:
            return PassResult.OUTAGE
        if not transport.wait_for(flight.records):
            return self._recover(flight, transport.failure)
        if not self._turn.has_lock:
            # Another process replays now and sends this object again: a duplicate, never a loss.
            return PassResult.INTERRUPTED
        self._deletions.add(flight.waiting, events=flight.events)
        # Bounded, so that a store that deletes slowly slows the sending down.
        self._deletions.wait_until_at_most(2 * _POOL_THREADS)
        return PassResult.DONE

    def _recover(self, flight: InFlight, error: TransportError | None) -> PassResult:
        """Deal with an object that was not acknowledged; the rest of the window is taken back with it."""
        self._link.drop(error)
        if error is None or not is_poison(error):
            return PassResult.OUTAGE
        return self._poison.remove(flight, error, self._turn)

"""Runs the replay in a thread of a process that logs: decides when, and lets the sender return to Kafka afterwards."""

from __future__ import annotations

import logging
import threading
import time

from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.fallback.object_form import ObjectForm
from telemetry.audit.fallback.readiness import ReadyListener
from telemetry.audit.ledger import Ledger
from telemetry.audit.marks.own_objects import OwnObjects
from telemetry.audit.replay.kafka_link import PROBE_SECONDS, PatientConnector
from telemetry.audit.replay.lock_watch import LockWatch
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.audit.replay.turn import Turn, take_turn
from telemetry.exceptions import StorageError, TransportError
from telemetry.format.objects.stored_name import PLAIN, SHELVES, WAITING, Shelf
from telemetry.storage import StorageProvider
from telemetry.system.backoff import Backoff
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.replay")

SCAN_SECONDS = 60.0

_PAUSE_PASSES = 3
_SHORTEST_PAUSE_SECONDS = 1.0


class RetryWorker:
    """Replays the objects of one topic, of this process and of dead ones, whenever there are any.

    The thread looks once a minute, at once when the handler has stored what Kafka refused, and with growing pauses while the
    process is diverted. When nothing of
    this process is left in the store and Kafka answers, it notifies the sender.

    Args:
        store: Store of the objects.
        topic: Topic of the objects, to which they go.
        kafka: Connector that opens the transports of the worker.
        ledger: Counts what was replayed and rejected.
        owner: Name of this process, for the operator who looks at the store's lock.
        max_rate: Events a second.
        max_refusals: Number of times that an object may be refused because a right is missing before it is rejected.
        handler: Handler that stores this process's objects.
        listener: Object that is notified when Kafka answers and nothing of this process is left in the store.
        own: Opens the objects of this service.
        form: Form in which this process stores; default: lines of records.
        wanted: Set by the handler where the replay should look at once; default: nobody asks for that.
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
        handler: FallbackHandler,
        listener: ReadyListener,
        own: OwnObjects,
        form: ObjectForm | None = None,
        wanted: threading.Event | None = None,
    ) -> None:
        self._store = store
        self._topic = topic
        self._owner = owner
        self._handler = handler
        self._listener = listener
        self._replayer = Replayer(
            store,
            topic=topic,
            kafka=kafka,
            outcomes=ObjectOutcomes(ledger, handler=handler),
            own=own,
            max_rate=max_rate,
            max_refusals=max_refusals,
            form=form,
        )
        self._own = own
        self._own_shelf = PLAIN if form is None else form.shelf
        self._lock_watch = LockWatch(topic)
        self._backoff = Backoff(first=0.5, longest=10.0)
        self._diverted = False
        self._worker = Worker("telemetry-replay", self._run, woken=wanted)

    def start(self) -> None:
        """Begin to work in a thread of its own."""
        self._worker.start()

    def fallback_entered(self, reason: str) -> None:
        """Look for a way back to Kafka, with growing pauses; called by the sender."""
        del reason
        self._diverted = True
        self._worker.wake()

    def fallback_left(self) -> None:
        """Look once a minute; called by the sender."""
        self._diverted = False
        self._worker.wake()

    @property
    def lock_waiting_seconds(self) -> float:
        """How long another process has had the lock of the replay, and replayed nothing."""
        return self._lock_watch.waiting_seconds

    def close(self, timeout: float = 5.0) -> None:
        """End the work after the current step; objects that are not acknowledged stay in the store."""
        self._worker.ask_to_stop()
        # The thread may wait for Kafka, which this ends; a slow store it waits for at most ``timeout``.
        self._replayer.link.fail(TransportError("the retry worker is closing"))
        self._worker.join(timeout)

    def _run(self) -> None:
        while not self._worker.is_stopping:
            is_finished = self._try_round()
            self._worker.pause(self._seconds_until_next(is_finished=is_finished))

    def _try_round(self) -> bool:
        try:
            return self._round()
        except StorageError as exc:
            # Said once for each outage of the store, not for each attempt.
            if self._backoff.is_first:
                logger.warning("the fallback store cannot be read; the replay tries again: %s", exc)
        except Exception:
            # A third party's store may raise anything; without this thread nothing would ever be replayed.
            logger.exception("the replay failed; it tries again")
        return False

    def _seconds_until_next(self, *, is_finished: bool) -> float:
        if is_finished and not self._diverted:
            self._backoff.reset()
            return SCAN_SECONDS
        return self._backoff.next()

    def _round(self) -> bool:
        """Do all the work there is on each shelf; return whether nothing is left to do now."""
        self._own.begin()
        # In their order, because a producer's objects on an earlier shelf are older than those on a later one.
        finished = [self._round_on(shelf) for shelf in SHELVES]
        return all(finished)

    def _round_on(self, shelf: Shelf) -> bool:
        # Without objects and without an outage neither lock nor transport is needed: that is the usual minute.
        first = next(self._store.list(shelf.below(WAITING, f"{self._topic}/")), None)
        if first is None and not (self._diverted and shelf is self._own_shelf):
            self._lock_watch.had_turn(shelf)
            return True
        with take_turn(self._store, topic=self._topic, owner=self._owner, stop=self._worker, shelf=shelf) as turn:
            if turn is None:
                oldest = None if first is None else first.name
                self._lock_watch.had_no_turn(shelf, oldest=oldest, now=time.monotonic())
                return self._follow_other_worker()
            self._lock_watch.had_turn(shelf)
            try:
                return self._replay(turn, shelf)
            finally:
                self._replayer.link.drop()

    def _follow_other_worker(self) -> bool:
        """Another process replays: look which of our objects it has replayed."""
        self._forget_gone()
        if self._diverted and self._handler.is_drained:
            transport = self._replayer.link.connect()
            self._replayer.link.drop()
            if transport is not None:
                self._notify_ready()
        return not self._diverted

    def _replay(self, turn: Turn, shelf: Shelf) -> bool:
        """Run passes until the shelf is empty; return False when it is not, but this turn can do no more."""
        while turn.may_go_on:
            if self._replayer.link.connect() is None:
                return False
            began = time.monotonic()
            result = self._replayer.run_pass(turn, shelf)
            if result in (PassResult.OUTAGE, PassResult.INTERRUPTED):
                return False
            if result is PassResult.AGAIN:
                continue
            self._forget_gone()
            if result is PassResult.EMPTY:
                self._notify_ready()
                return True
            self._return_to_kafka(time.monotonic() - began)
        return False

    def _forget_gone(self) -> None:
        """Have the handler forget objects of its own that are no longer in the store.

        Another process replayed them, or this worker did before their write had returned.
        """
        if not self._handler.is_drained:
            self._handler.keep_only(
                stored.name for shelf in SHELVES for stored in self._store.list(shelf.below(WAITING, f"{self._topic}/"))
            )

    def _return_to_kafka(self, pass_seconds: float) -> None:
        """Let this process's events go to Kafka directly as soon as none of them is stored.

        Objects of other processes may remain: order is kept within a process.
        """
        if not self._diverted:
            return
        if self._handler.is_drained:
            self._notify_ready()
        else:
            # Under a steady load there would always be one more object; a pause of a few passes empties the store.
            pause = max(_PAUSE_PASSES * pass_seconds, _SHORTEST_PAUSE_SECONDS)
            self._handler.pause_new_objects(min(pause, PROBE_SECONDS))

    def _notify_ready(self) -> None:
        self._backoff.reset()
        self._listener.kafka_is_ready()

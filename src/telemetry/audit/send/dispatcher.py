"""Sends records to Kafka or to the fallback, batch by batch, without letting one overtake another."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.diversion import Diversion
from telemetry.audit.send.fallback import DirectionListener, Fallback
from telemetry.audit.send.in_hand import RecordsInHand
from telemetry.audit.send.sender_link import SenderLink
from telemetry.audit.send.sieve import Sieve
from telemetry.audit.send.transport import KafkaTransport
from telemetry.exceptions import RecordTooLargeError, TransportError
from telemetry.format.value.message import BATCH_HEADER
from telemetry.kafka.errors import BACKLOG, reason_of
from telemetry.system.deadline import Deadline
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.audit")

_TICK_SECONDS = 0.25
_PACE_SECONDS = 0.005
"""As long as Kafka's client lingers itself."""
_MANY = 256
_RENEW_SECONDS = 10.0
_LEAST_FLUSH_SECONDS = 0.5
_MAX_OUTSTANDING = 20_000
_LATE = "Kafka did not acknowledge everything before the shutdown"


class BatchObserver(Protocol):
    """Sees each batch in the sender before it is sent."""

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Look at a batch, which is empty about four times a second while nothing is logged.

        Returns:
            Records to send after the batch, such as a checkpoint.
        """


class Dispatcher:
    """The sender thread. It is in one of two states.

    Direct: batches go to Kafka. A record that is too large for the topic is rejected, and the state stays direct. On any
    other failure everything outstanding is taken back, in order, and the state is diverted: everything goes to the fallback, after what is there. When no stored object waits for replay and Kafka
    answers, the records that the fallback has in memory are sent first, and the state is direct again. So records of a
    key keep their order.

    Args:
        producer: UUIDv7 of this process's stream; batches are numbered under it, also those of adopted records.
        batcher: Source of the batches.
        fallback: Destination of the records while Kafka does not accept them.
        link: Opens transports to Kafka.
        diversion: Decides when to try Kafka again.
        observers: See each batch before it is sent, in this order.
        listeners: Notified when the state changes, in this order.
        adopted: Records of dead processes in chunks; they are sent first.
    """

    def __init__(
        self,
        producer: str,
        *,
        batcher: AuditBatcher,
        fallback: Fallback,
        link: SenderLink,
        diversion: Diversion,
        observers: Sequence[BatchObserver] = (),
        listeners: Sequence[DirectionListener] = (),
        adopted: Iterable[list[SealedRecord]] = (),
    ) -> None:
        self._batcher = batcher
        self._fallback = fallback
        self._link = link
        self._diversion = diversion
        self._observers = observers
        self._listeners = listeners
        self._headers = _numbered_headers(producer)
        self._sieve = Sieve(link, self._headers)
        self._transport: KafkaTransport | None = None
        self._in_hand = RecordsInHand()
        self._end: Deadline | None = None
        self._worker = Worker("telemetry-sender", partial(self._run, adopted))

    @property
    def is_diverted(self) -> bool:
        """Whether records go to the fallback."""
        return self._transport is None

    @property
    def oldest(self) -> float | None:
        """When the oldest record that Kafka has not acknowledged was sent, in monotonic seconds."""
        transport = self._transport
        return transport.oldest if transport is not None else None

    def start(self, *, after_backlog: bool = False) -> None:
        """Begin to send.

        Args:
            after_backlog: Begin diverted: the adopted records come after stored objects that wait for replay.

        Raises:
            ConfigurationError: No connection to Kafka can be opened.
        """
        if after_backlog:
            self._enter_fallback(BACKLOG)
        else:
            self._transport = self._link.open()
        self._worker.start()

    def drain(self, *, kafka_seconds: float, total_seconds: float) -> list[SealedRecord]:
        """Send the records that are there, store those that Kafka does not acknowledge in time, and end.

        Args:
            kafka_seconds: Limit for Kafka.
            total_seconds: Limit for all of it.

        Returns:
            The records that are safe nowhere.
        """
        total = Deadline(total_seconds)
        # In this order: a sender that finds that it is stopping finds its limit too.
        self._end = Deadline(kafka_seconds)
        self._worker.ask_to_stop()
        self._batcher.wake()
        self._worker.join(min(kafka_seconds + _TICK_SECONDS, total_seconds))
        # Not asked of the thread: one that died of an error has ended too, with records in hand.
        stuck = [] if self._in_hand.is_over else self._stop_waiting(total_seconds - kafka_seconds)
        self._fallback.flush(max(total.remaining, _LEAST_FLUSH_SECONDS))
        left = [*stuck, *self._fallback.close(), *self._batcher.take_all()]
        # By identity: a sender that goes on after all may have moved a record to the next place meanwhile.
        return list({id(record): record for record in left}.values())

    def _stop_waiting(self, timeout: float) -> list[SealedRecord]:
        """Make a sender that waits for Kafka's client take its records back; return them if it does not, or has died."""
        transport = self._transport
        if transport is not None:
            transport.fail(TransportError(_LATE))
        self._worker.join(timeout)
        if self._in_hand.is_over:
            return []
        if self._worker.is_alive:
            logger.error("the sender did not end in time; its events are saved without it")
        elif self._transport is not None:
            # Its sender has died, and nobody else would end the client and its thread.
            self._transport.close()
        # A sender that is stuck in a client may go on at any moment. So all places are read in the order in which a record
        # passes them, and none moves from a place not read yet to one read already. The transport is looked up only after
        # the batch, because a record that was in the batch may be in it by now.
        queued, batch = self._batcher.take_all(), self._in_hand.batch
        transport = self._transport
        outstanding = transport.outstanding() if transport is not None else []
        return [*outstanding, *self._in_hand.leaving, *self._in_hand.forwarded, *batch, *queued]

    def _run(self, adopted: Iterable[list[SealedRecord]]) -> None:
        try:
            self._send_all_adopted(adopted)
            while not self._worker.is_stopping:
                records = self._next_batch()
                self._step(records)
                if records and len(self._batcher) < _MANY:
                    # Let records gather: a thread switch for each of them would cost more than sealing does.
                    time.sleep(_PACE_SECONDS)
            self._step(self._batcher.take_all())
            self._finish()
            self._in_hand.passed_on()
        except Exception:
            logger.exception("the sender failed; its events are saved at shutdown, and later ones are refused")
            # A shutdown has closed the intake already, with a reason of its own.
            if not self._worker.is_stopping:
                self._link.sender_failed()
            raise

    def _next_batch(self) -> list[SealedRecord]:
        """Wait for a batch, and before that until Kafka has acknowledged enough, where that is bounded."""
        transport, window = self._transport, self._batcher.window
        if transport is not None and window is not None and not transport.wait_below(window, _TICK_SECONDS):
            return []
        return self._batcher.take(_TICK_SECONDS)

    def _step(self, records: list[SealedRecord]) -> None:
        self._in_hand.batch_taken(records)
        try:
            self._check_state()
        except Exception:
            # The records in hand are forwarded in any case.
            logger.exception("sender error, continuing")
        added = self._observe(records)
        self._forward([*records, *added] if added else records)

    def _check_state(self) -> None:
        """Change the state, or the transport, where there is a reason to."""
        transport = self._transport
        if transport is not None and transport.failure is not None:
            self._leave(transport, transport.failure)
        if self._transport is None and self._diversion.take_return():
            self._return()
        if self._link.is_outdated:
            self._renew()

    def _observe(self, records: list[SealedRecord]) -> list[SealedRecord]:
        """Return the records that observers send after the batch."""
        added: list[SealedRecord] = []
        for observer in self._observers:
            try:
                added += observer.before_send(records)
            except Exception:
                # An observer runs code of the application's, such as its meters. The other observers still run.
                logger.exception("sender error, continuing")
        return added

    def _forward(self, records: list[SealedRecord]) -> None:
        if not records:
            return
        self._in_hand.forwarding(records)
        transport = self._transport
        if transport is None:
            self._fallback.add(records, reason=self._diversion.reason)
        else:
            transport.send(records, headers=next(self._headers))

    def _leave(self, transport: KafkaTransport, error: TransportError) -> None:
        """Go on with another transport where only a record was too large, else divert."""
        if isinstance(error, RecordTooLargeError):
            self._sift(transport, error)
        else:
            self._divert(transport, error)

    def _sift(self, transport: KafkaTransport, error: RecordTooLargeError) -> None:
        """Send what Kafka accepts, and reject what is too large: that is no reason to leave Kafka."""
        self._in_hand.leaving_transport(transport.outstanding())
        self._link.count_failure(error)
        sifted = self._sieve.sift(transport.take_back())
        if sifted.too_large:
            logger.error("%d events are too large for the topic and are rejected: %s", len(sifted.too_large), error)
            self._fallback.reject(sifted.too_large, error)
        if sifted.transport is not None:
            self._transport = sifted.transport
        else:
            self._begin_diversion(sifted.error or error, kafka_accepts=True, rest=sifted.rest)
        self._in_hand.left_transport()

    def _divert(self, transport: KafkaTransport, error: TransportError) -> None:
        """Take back all that Kafka refused or did not acknowledge, and send it and all that follows to the fallback."""
        # Written down before the transport is dropped, and forgotten after the fallback has the records.
        self._in_hand.leaving_transport(transport.outstanding())
        self._transport = None
        self._link.count_failure(error)
        self._begin_diversion(error, kafka_accepts=transport.has_delivered, rest=transport.take_back())
        self._in_hand.left_transport()

    def _begin_diversion(self, error: TransportError, *, kafka_accepts: bool, rest: list[SealedRecord]) -> None:
        self._transport = None
        reason = reason_of(error)
        self._diversion.begin(reason, kafka_accepts=kafka_accepts)
        logger.error("Kafka is not accepting events, diverting to the fallback: %s", error)
        self._fallback.add(rest, reason=reason)
        self._notify_entered(reason)
        self._link.explain(error)

    def _enter_fallback(self, reason: str) -> None:
        self._diversion.begin(reason)
        self._notify_entered(reason)

    def _notify_entered(self, reason: str) -> None:
        for listener in self._listeners:
            listener.fallback_entered(reason)

    def _return(self) -> None:
        """Go back to Kafka, if nothing that is stored must be replayed first."""
        transport = self._link.try_open()
        if transport is None:
            return
        records = self._fallback.take_back()
        if records is None:
            transport.close()
            return
        self._in_hand.forwarding(records)
        self._transport = transport
        logger.warning("Kafka is accepting events again")
        for listener in self._listeners:
            listener.fallback_left()
        self._forward(records)

    def _renew(self) -> None:
        """Connect anew with certificate files that were replaced, once all that was sent before is acknowledged."""
        transport = self._transport
        if transport is None or not transport.wait_empty(_RENEW_SECONDS):
            return
        fresh = self._link.try_open()
        if fresh is None:
            return
        self._transport = fresh
        transport.close()
        logger.info("certificate files were replaced; the connection to Kafka uses the new ones")

    def _send_all_adopted(self, adopted: Iterable[list[SealedRecord]]) -> None:
        try:
            self._send_adopted(adopted)
        except Exception:
            logger.exception("reading the spool segments of dead processes failed; the next start tries again")

    def _send_adopted(self, adopted: Iterable[list[SealedRecord]]) -> None:
        for records in adopted:
            self._step(records)
            self._wait_for_room()
            if self._is_late:
                return

    def _wait_for_room(self) -> None:
        """Read no more of the dead processes' segments than should be in memory."""
        while not self._is_late:
            transport = self._transport
            if (len(self._fallback) if transport is None else len(transport)) <= _MAX_OUTSTANDING:
                return
            if transport is None:
                # A plain sleep: the shutdown gives the adopted records its whole time for Kafka, too.
                time.sleep(_TICK_SECONDS)
            else:
                transport.wait_empty(_TICK_SECONDS)
            self._step([])

    @property
    def _is_late(self) -> bool:
        return self._end is not None and self._end.is_over

    def _finish(self) -> None:
        """Wait for Kafka as long as the drain allows; then take back the rest for the fallback."""
        transport = self._transport
        if transport is None:
            return
        if transport.wait_empty(self._end.remaining if self._end is not None else 0.0):
            transport.close()
            return
        self._leave(transport, transport.failure or TransportError(_LATE))
        if self._transport is not None:
            # Sifting waits for everything that it sends.
            self._transport.close()


def _numbered_headers(producer: str) -> Iterator[list[tuple[str, bytes]]]:
    """Yield the headers of each batch: the producer, and the number of the batch."""
    name, number = producer.encode(), 0
    while True:
        number += 1
        yield [(BATCH_HEADER, b"%b-%d" % (name, number))]

"""Removes records that Kafka will never accept from an object, so that the others reach the topic."""

from __future__ import annotations

from enum import Enum, auto

from telemetry.audit.record import SealedRecord
from telemetry.audit.replay.kafka_link import KafkaLink
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.paced_sender import InFlight, PacedSender, event_count
from telemetry.audit.replay.pass_result import PassResult
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.audit.replay.turn import Turn
from telemetry.audit.send.halving import Halving
from telemetry.exceptions import RecordTooLargeError, TransportError
from telemetry.storage import StorageProvider


class _Trial(Enum):
    ACCEPTED = auto()
    REFUSED = auto()
    OUTAGE = auto()


class PoisonFilter:
    """Decides what happens to an object of which Kafka refused a record.

    A record that is too large is found by halving and rejected at once. A missing right may be granted at any moment:
    the whole object is rejected only after ``max_refusals`` further attempts.

    Args:
        store: Store of the objects.
        quarantine: Stores what is rejected.
        outcomes: Records what became of the object.
        link: Connection to Kafka.
        sender: Sends parts of the object.
        max_refusals: Number of times that an object may be refused because a right is missing; None never to reject it
            for that.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        quarantine: Quarantine,
        outcomes: ObjectOutcomes,
        link: KafkaLink,
        sender: PacedSender,
        max_refusals: int | None,
    ) -> None:
        self._store = store
        self._quarantine = quarantine
        self._outcomes = outcomes
        self._link = link
        self._sender = sender
        self._max_refusals = max_refusals
        self._refusals: dict[str, int] = {}

    def remove(self, flight: InFlight, error: TransportError, turn: Turn) -> PassResult:
        """Deal with an object that Kafka refused; its records were taken back.

        Args:
            flight: The object.
            error: Kafka's reason, one that :func:`telemetry.kafka.errors.is_poison` accepts.
            turn: Turn of this process.

        Returns:
            ``AGAIN`` when the object is out of the way, else ``OUTAGE``.
        """
        self._outcomes.refused(error)
        if isinstance(error, RecordTooLargeError):
            return self._isolate(flight, turn)
        return self._count_refusal(flight, error)

    def _count_refusal(self, flight: InFlight, error: TransportError) -> PassResult:
        if self._max_refusals is None:
            # Somebody waits for this replay, reads the error, and can grant the right.
            return PassResult.OUTAGE
        name = flight.waiting.name
        self._refusals[name] = self._refusals.get(name, 0) + 1
        if self._refusals[name] <= self._max_refusals:
            return PassResult.OUTAGE
        del self._refusals[name]
        self._reject(flight, flight.records, error)
        return PassResult.AGAIN

    def _isolate(self, flight: InFlight, turn: Turn) -> PassResult:
        """Find the refused records by halving, reject them, and send the others."""
        halving = Halving(flight.records)
        last: TransportError | None = None
        for part in halving:
            trial = self._try(flight._replace(records=part), turn)
            if trial is _Trial.OUTAGE:
                return PassResult.OUTAGE
            if trial is _Trial.REFUSED:
                halving.refuse(part)
                last = self._link.error
        self._reject(flight, halving.refused, last if halving.refused else None)
        return PassResult.AGAIN

    def _try(self, flight: InFlight, turn: Turn) -> _Trial:
        """Send records and wait for them."""
        transport = self._link.connect()
        if transport is None:
            return _Trial.OUTAGE
        for record in flight.records:
            record.forget_report()
        if not self._sender.send(flight, turn):
            return _Trial.OUTAGE
        if transport.wait_for(flight.records):
            return _Trial.ACCEPTED
        error = transport.failure
        # A transport that was refused a record accepts no further one: the next part needs a new one.
        self._link.drop(error)
        return _Trial.REFUSED if isinstance(error, RecordTooLargeError) else _Trial.OUTAGE

    def _reject(self, flight: InFlight, rejected: list[SealedRecord], error: TransportError | None) -> None:
        """Store the rejected records, if there are any, then delete the object: all others are on the topic."""
        if error is not None:
            reason = self._quarantine.reject(flight.waiting, rejected, error)
            self._outcomes.rejected(event_count(rejected), reason=reason)
        # Only now: killed in between, this leaves both, and the records are rejected once more by the next pass.
        self._store.delete(flight.waiting.name)
        self._outcomes.replayed(flight.waiting, events=flight.events - event_count(rejected))

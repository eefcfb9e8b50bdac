"""Sends sealed records to Kafka through one client, and reports for each record what became of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batch_spans import BatchSpans
from telemetry.audit.send.delivery_reports import DeliveryReports
from telemetry.audit.send.failure_watch import FATAL_SECONDS, FailureWatch
from telemetry.audit.send.outstanding import OutstandingRecords
from telemetry.audit.values import values_of
from telemetry.exceptions import TransportAuthenticationError, TransportError
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.value.message import CONTENT_TYPE
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.errors import client_refused, is_consequence, transport_error
from telemetry.system.deadline import Deadline
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.kafka")

_PART = 1024
_POLL_SECONDS = 0.2
_PACE_SECONDS = 0.002
_PURGE_SECONDS = 10.0
_PROBE_SECONDS = 0.5
_RETRY_SECONDS = 0.05

Headers = list[tuple[str, str | bytes | None]]


class TransportListener(Protocol):
    """Learns what becomes of a transport's records."""

    def delivered(self, records: list[SealedRecord]) -> None:
        """Process records that Kafka acknowledged; called in the polling thread, once for each batch of reports."""

    def transport_failed(self) -> None:
        """Learn that :attr:`KafkaTransport.failure` is set; called in the thread that noticed it, mostly the polling one."""


class KafkaTransport:
    """One idempotent Kafka producer and the thread that polls it.

    Records leave in the order of :meth:`send` and, per Kafka key, arrive in it. The client never gives up a record by
    itself; :meth:`take_back` ends the transport and returns all that was not acknowledged, in order. So what the topic
    has of this producer is always a prefix, and sending the rest again cannot reorder a key (docs/adr/0003).

    One thread at a time sends: the sender, or the replay for its own transport. The polling thread processes delivery
    reports and errors, watches for a failure and calls the listener. Both meet in :class:`OutstandingRecords`, which
    has the only lock; :class:`FailureWatch` is written by the polling thread and read by both.

    Args:
        options: librdkafka settings of a producer.
        topic: Where records go.
        listener: Learns what becomes of the records.
        deadline: Seconds after which a record that is not acknowledged is a failure.
        unreachable_after: Seconds for which all brokers may be down before that is a failure.
        name: Name of the polling thread.
        client_log: Receives librdkafka's lines; shared by the clients of a configuration.
        is_patient: Measure the deadline from the last acknowledgement instead of from sending; see
            :class:`FailureWatch`.
        spans: Records a span for each batch.
        reports_each: Request a report on every record, so that a refusal names its cause whichever record it concerns.

    Raises:
        ConfigurationError: librdkafka creates no client from the options.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        topic: str,
        *,
        listener: TransportListener,
        deadline: float,
        unreachable_after: float,
        name: str = "telemetry-poller",
        client_log: ClientLog | None = None,
        is_patient: bool = False,
        spans: BatchSpans | None = None,
        reports_each: bool = False,
    ) -> None:
        self._topic = topic
        self._listener = listener
        self._spans = spans
        self._client_log = client_log or ClientLog(logger)
        now = time.monotonic()
        self._delivery_reports = DeliveryReports(each=reports_each, now=now)
        self._reports: list[SealedRecord] = []
        self._outstanding = OutstandingRecords()
        self._watch = FailureWatch(
            topic,
            deadline=deadline,
            unreachable_after=unreachable_after,
            now=now,
            is_patient=is_patient,
        )
        self._producer: Producer | None = self._create_producer(options)
        self._poller = Worker(name, self._poll)
        self._poller.start()

    def __len__(self) -> int:
        """How many records are sent and not acknowledged."""
        return len(self._outstanding)

    @property
    def oldest(self) -> float | None:
        """When the oldest record that is not acknowledged was sent, in monotonic seconds."""
        return self._outstanding.oldest

    @property
    def failure(self) -> TransportError | None:
        """Why the transport failed; None while it works."""
        return self._watch.failure

    @property
    def has_delivered(self) -> bool:
        """Whether Kafka acknowledged any record."""
        return self._watch.has_delivered

    def send(self, records: Sequence[SealedRecord], *, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Hand records to Kafka's client, which sends them in order.

        Stops at the first record the client refuses; :attr:`failure` is then set and :meth:`take_back` returns it with
        the others.
        """
        producer = self._producer
        if producer is None or not records:
            return
        all_headers: Headers = [("content-type", CONTENT_TYPE), *headers]
        if self._spans is not None:
            self._spans.begin(records)
        now = time.monotonic()
        # Before the client has them: a report may arrive before produce() returns.
        self._outstanding.add(records, now)
        for start in range(0, len(records), _PART):
            if not self._send_part(producer, records[start : start + _PART], all_headers, now):
                return

    def _send_part(self, producer: Producer, records: Sequence[SealedRecord], headers: Headers, now: float) -> bool:
        """Hand over not too many records, so that each step finds them in the processor's cache."""
        produce, topic = producer.produce, self._topic
        partitions = self._delivery_reports.plan(records, on_report=self._reports.append, now=now)
        for record, partition, value in zip(records, partitions, values_of(records), strict=True):
            report = record if record.on_report is not None else None
            own = _with_leaves(headers, record) if record.leaves else headers
            try:
                # By position: names would cost a fifth of the call.
                produce(topic, value, record.key, partition, report, None, 0, own)
            except (BufferError, KafkaException) as exc:
                if not self._produce_again(producer, record, partition, own, exc):
                    _expect_no_report(records[records.index(record) + 1 :])
                    return False
        return True

    def outstanding(self) -> list[SealedRecord]:
        """Return what is not acknowledged now, without ending anything."""
        return self._outstanding.unacknowledged()

    def wait_empty(self, timeout: float) -> bool:
        """Wait until every record is acknowledged; return False on failure or after ``timeout`` seconds."""
        return self._outstanding.wait_empty(timeout)

    def wait_below(self, size: int, timeout: float) -> bool:
        """Wait until ``size`` bytes at most are not acknowledged, or the transport failed; return False after the time.

        The sender alone may call it.
        """
        return self._outstanding.wait_below(size, timeout)

    def wait_for(self, records: Sequence[SealedRecord]) -> bool:
        """Wait until these records are acknowledged; return False on failure."""
        return self._outstanding.wait_for(records)

    def fail(self, error: TransportError) -> None:
        """Declare the transport failed; any thread may call it."""
        if self._watch.fail(error):
            self._listener.transport_failed()
        self._outstanding.end_waits()

    def take_back(self) -> list[SealedRecord]:
        """End the transport; return every record that Kafka has not acknowledged, in the order they were sent.

        A returned record may still be on the topic: an acknowledgement can be lost, a record never is.
        """
        producer = self._producer
        if producer is not None:
            # The purge makes the client report on all that it still has, as failed; until it has, a report could still
            # change a record that was given back.
            producer.purge(in_queue=True, in_flight=True, blocking=True)
            self._outstanding.wait_reported(_PURGE_SECONDS)
        self._poller.stop(_PURGE_SECONDS)
        rest = self._outstanding.take_all()
        if self._spans is not None:
            self._spans.end_failed(self.failure)
        for record in rest:
            record.forget_report()
        return rest

    def close(self) -> None:
        """End the transport when nothing is outstanding; what is outstanding is abandoned to :meth:`take_back`."""
        self._poller.stop(_PURGE_SECONDS)

    def probe(self, timeout: float) -> TransportError | None:
        """Ask Kafka for the topic; return why it cannot be used, or None."""
        producer, deadline = self._producer, Deadline(timeout)
        error: TransportError | None = None
        while producer is not None and self.failure is None and (left := deadline.remaining) > 0:
            try:
                topic = producer.list_topics(self._topic, timeout=min(left, _PROBE_SECONDS)).topics[self._topic]
            except KafkaException as exc:
                error = self._watch.last_error or transport_error(exc.args[0], self._topic)
                if isinstance(error, TransportAuthenticationError):
                    break  # the same password again would be refused again, and may lock the account
                self._outstanding.wait_for_change(_RETRY_SECONDS)
            else:
                self._client_log.answered()
                return transport_error(topic.error, self._topic) if topic.error is not None else None
        return self.failure or error or TransportError(f"Kafka did not answer in {timeout:g} s")

    def _create_producer(self, options: Mapping[str, Any]) -> Producer:
        try:
            return Producer({**options, "error_cb": self._client_error, "logger": self._client_log.logger})
        except KafkaException as exc:
            raise client_refused(exc) from exc

    def _produce_again(
        self, producer: Producer, record: SealedRecord, partition: int, headers: Headers, error: Exception
    ) -> bool:
        """Wait for room in the client's own queue; any other refusal is a failure of the record."""
        deadline = Deadline(self._watch.deadline)
        report = record if record.on_report is not None else None
        while isinstance(error, BufferError) and self.failure is None and not deadline.is_over:
            self._outstanding.wait_for_change(_POLL_SECONDS)
            try:
                producer.produce(self._topic, record.value, record.key, partition, report, headers=headers)
            except (BufferError, KafkaException) as exc:
                error = exc
            else:
                return True
        # The client does not have this record and never reports on it: what its report would set is set here.
        record.reported = True
        record.error = error.args[0] if isinstance(error, KafkaException) else KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001
        self.fail(self._cause_of_end(record.error))
        return False

    def _cause_of_end(self, error: KafkaError) -> TransportError:
        """Return why the client refuses a record; of one that has ended, the poller is about to learn it."""
        deadline = Deadline(FATAL_SECONDS)
        while is_consequence(error) and self._watch.fatal is None and not deadline.is_over:
            self._outstanding.wait_for_change(_RETRY_SECONDS)
        return self._watch.fatal or transport_error(error, self._topic)

    def _poll(self) -> None:
        """Run the polling thread: reports first, then the time, until the transport ends."""
        producer = self._producer
        while producer is not None and not self._poller.is_stopping:
            try:
                producer.poll(_POLL_SECONDS)
            except KafkaException as exc:
                # confluent-kafka raises a fatal error here instead of calling error_cb; reports still come after it.
                self._watch.client_ended(exc.args[0], time.monotonic())
            if self._handle_reports_safely():
                # Let reports gather: a thread switch for each of them would cost more than sending does. A plain sleep,
                # since waiting on the worker's event costs several times as much.
                time.sleep(_PACE_SECONDS)
            failure = self._watch.due(self._outstanding.oldest, time.monotonic())
            if failure is not None:
                self.fail(failure)
        # The last reference goes here, so that this thread waits for the client's end and not the one that sends.
        self._producer = None

    def _handle_reports_safely(self) -> bool:
        try:
            return self._handle_reports()
        except Exception:
            # A meter of the application's own may fail in here; without this thread no delivery is ever reported again.
            logger.exception("processing delivery reports failed; the polling thread continues")
            return True

    def _handle_reports(self) -> bool:
        """Process the delivery reports of one poll; return whether there were any."""
        if not self._reports:
            return False
        # In place, and no more than were copied: planned records append to this very list.
        reports = self._reports[:]
        del self._reports[: len(reports)]
        delivered = self._delivered_by(reports)
        errors = [record.error for record in reports if record.error is not None]
        if errors:
            self.fail(self._watch.refused(errors))
        if delivered:
            self._watch.acknowledged(time.monotonic())
            self._client_log.answered()
            self._listener.delivered(delivered)
            if self._spans is not None:
                self._spans.end_acknowledged()
        self._outstanding.remove_acknowledged()
        return True

    def _delivered_by(self, reports: Sequence[SealedRecord]) -> list[SealedRecord]:
        """Return the records that Kafka has, according to these reports."""
        delivered: list[SealedRecord] = []
        for record in reports:
            if record.error is not None:
                continue
            confirmed = record.also_confirms
            if confirmed is None:
                self._delivery_reports.learn(record)
            elif confirmed:
                for other in confirmed:
                    other.reported = True
                delivered += confirmed
            delivered.append(record)
        return delivered

    def _client_error(self, error: KafkaError) -> None:
        """Process an error that concerns no single record; the client calls it in the polling thread."""
        self._watch.client_error(error, time.monotonic())
        self._client_log.error(error)


def _with_leaves(headers: Headers, checkpoint: SealedRecord) -> Headers:
    return [*headers, (LEAVES_HEADER, checkpoint.leaves)]


def _expect_no_report(records: Sequence[SealedRecord]) -> None:
    for record in records:
        record.on_report = None

"""Sends sealed records to Kafka and knows, for each, what became of it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batch_spans import BatchSpans
from telemetry.audit.send.delivery_reports import DeliveryReports
from telemetry.audit.values import values_of
from telemetry.exceptions import TransportAuthenticationError, TransportError
from telemetry.format.value.message import CONTENT_TYPE
from telemetry.kafka.client_log import ClientLog
from telemetry.kafka.errors import client_refused, first_cause, is_consequence, transport_error

_AT_ONCE = 1024
_POLL_SECONDS = 0.2
_PACE_SECONDS = 0.002
_PURGE_SECONDS = 10.0
_PROBE_SECONDS = 0.5
_PATIENT_DEADLINES = 4
_FATAL_SECONDS = 0.5
_RETRY_SECONDS = 0.05

logger = logging.getLogger("telemetry.kafka")

Headers = list[tuple[str, str | bytes | None]]


class TransportListener(Protocol):
    """Learns what becomes of a transport's records; both methods are called in the polling thread."""

    def delivered(self, records: list[SealedRecord]) -> None:
        """Process records that Kafka acknowledged; called once for each batch of delivery reports."""

    def transport_failed(self) -> None:
        """Learn that :attr:`KafkaTransport.failure` is set; called once."""


class TransportOpener(Protocol):
    """Opens transports, as :meth:`KafkaConnector.open` does."""

    def __call__(self, listener: TransportListener, *, name: str) -> KafkaTransport:
        """Open a transport whose polling thread is called ``name``."""


class KafkaTransport:
    """One idempotent Kafka producer and the thread that polls it.

    Records leave in the order of :meth:`send` and, per Kafka key, arrive in it. The client never gives up a record by
    itself; :meth:`take_back` ends the transport and returns all that was not acknowledged, in order. So what the topic
    has of this producer is always a prefix, and sending the rest again cannot reorder a key (docs/adr/0003).

    Args:
        options: librdkafka settings of a producer.
        topic: Where records go.
        deadline: A record not acknowledged in this many seconds is a failure.
        unreachable_after: All brokers being down for this many seconds is one too.
        listener: Learns what becomes of the records.
        name: Name of the polling thread.
        client_log: Takes librdkafka's lines; shared by the clients of a configuration.
        is_patient: Count the deadline from the last acknowledgement instead of from sending: a slow Kafka, such as one
            that enforces a quota, is then no failure as long as it gets on. Without it, only the first four deadlines
            are patient: a transport that was just opened may have to catch up.
        spans: Draws a span for each batch.
        reports_each: Have every record reported on, so that a refusal names its cause whichever record it concerns.

    Raises:
        ConfigurationError: librdkafka makes no client from the options.
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
        self._deadline = deadline
        self._unreachable_after = unreachable_after
        self._listener = listener
        self._sent: deque[SealedRecord] = deque()
        self._sent_marks: deque[tuple[SealedRecord, float]] = deque()
        self._delivery_reports = DeliveryReports(each=reports_each)
        self._reports: list[SealedRecord] = []
        self._down_since: float | None = None
        self._patient_until = math.inf if is_patient else time.monotonic() + _PATIENT_DEADLINES * deadline
        self._progress_at = 0.0
        self.has_delivered = False
        """Whether Kafka acknowledged any record."""
        self._spans = spans
        self._last_error: TransportError | None = None
        self._closing = False
        self._settled = threading.Condition()
        self.failure: TransportError | None = None
        self._fatal: tuple[float, TransportError] | None = None
        self._client_log = client_log or ClientLog(logger)
        self._producer: Producer | None = self._make_producer(options)
        self._poller = threading.Thread(target=self._poll, name=name, daemon=True)
        self._poller.start()

    def __len__(self) -> int:
        """How many records are sent and not acknowledged."""
        return len(self._sent)

    @property
    def oldest(self) -> float | None:
        """When the oldest record that is not acknowledged was sent, in monotonic seconds."""
        marks = self._sent_marks
        return marks[0][1] if marks and self._sent else None

    def send(self, records: Sequence[SealedRecord], *, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Hand records to Kafka's client, which sends them in order.

        Stops at the first record the client refuses; :attr:`failure` is then set and :meth:`take_back` returns it with
        the others.
        """
        producer = self._producer
        if producer is None or not records:
            return
        all_headers: Headers = [("content-type", CONTENT_TYPE), *headers]
        self._sent_marks.append((records[-1], time.monotonic()))
        if self._spans is not None:
            self._spans.began(records)
        self._sent.extend(records)
        for at in range(0, len(records), _AT_ONCE):
            if not self._send_some(producer, records[at : at + _AT_ONCE], all_headers):
                return

    def _send_some(self, producer: Producer, records: Sequence[SealedRecord], headers: Headers) -> bool:
        """Hand over not too many records, so that each step finds them in the processor's cache."""
        produce, topic = producer.produce, self._topic
        partitions = self._delivery_reports.plan(records, self._reports.append)
        for record, partition, value in zip(records, partitions, values_of(records), strict=True):
            report = record if record.on_report is not None else None
            try:
                # By position: names would cost a fifth of the call.
                produce(topic, value, record.key, partition, report, None, 0, headers)
            except (BufferError, KafkaException) as exc:
                if not self._produce_again(producer, record, partition, headers, exc):
                    _expect_no_report(records[records.index(record) + 1 :])
                    return False
        return True

    def outstanding(self) -> list[SealedRecord]:
        """Return what is not acknowledged now, without ending anything."""
        with self._settled:
            return [record for record in list(self._sent) if not record.reported or record.error is not None]

    def wait_empty(self, timeout: float) -> bool:
        """Wait until every record is acknowledged; return False on failure or after ``timeout`` seconds."""
        give_up = time.monotonic() + timeout
        with self._settled:
            while self._sent and self.failure is None:
                wait = give_up - time.monotonic()
                if wait <= 0:
                    return False
                self._settled.wait(min(wait, _POLL_SECONDS))
        return not self._sent

    def wait_for(self, records: Sequence[SealedRecord]) -> bool:
        """Wait until these records are acknowledged; return False on failure."""
        for record in records:
            if not record.reported:
                with self._settled:
                    while not record.reported and self.failure is None:
                        self._settled.wait(_POLL_SECONDS)
            if record.error is not None or not record.reported:
                return False
        return True

    def fail(self, error: TransportError) -> None:
        """Declare the transport failed."""
        if self.failure is None:
            self.failure = error
            self._listener.transport_failed()
        with self._settled:
            self._settled.notify_all()

    def take_back(self) -> list[SealedRecord]:
        """End the transport; return every record that Kafka has not acknowledged, in the order they were sent.

        A returned record may still be on the topic: an acknowledgement can be lost, a record never is.
        """
        if self._producer is not None:
            self._producer.purge(in_queue=True, in_flight=True, blocking=True)
            give_up = time.monotonic() + _PURGE_SECONDS
            with self._settled:
                while any(_is_awaited(record) for record in self._sent) and time.monotonic() < give_up:
                    self._settled.wait(_POLL_SECONDS)
        self._end_polling()
        rest = [record for record in self._sent if not record.reported or record.error is not None]
        self._sent.clear()
        if self._spans is not None:
            self._spans.failed(self.failure)
        for record in rest:
            record.forget_report()
        return rest

    def close(self) -> None:
        """End the transport when nothing is outstanding; what is outstanding is abandoned to :meth:`take_back`."""
        self._end_polling()

    def probe(self, timeout: float) -> TransportError | None:
        """Ask Kafka for the topic; return why it cannot be used, or None."""
        producer, give_up = self._producer, time.monotonic() + timeout
        error: TransportError | None = None
        while producer is not None and self.failure is None and (left := give_up - time.monotonic()) > 0:
            try:
                found = producer.list_topics(self._topic, timeout=min(left, _PROBE_SECONDS)).topics[self._topic]
            except KafkaException as exc:
                error = self._last_error or transport_error(exc.args[0], self._topic)
                if isinstance(error, TransportAuthenticationError):
                    break  # the same password again would be refused again, and may lock the account
                with self._settled:
                    self._settled.wait(_RETRY_SECONDS)
            else:
                self._client_log.well()
                return transport_error(found.error, self._topic) if found.error is not None else None
        return self.failure or error or TransportError(f"Kafka did not answer in {timeout:g} s")

    def _make_producer(self, options: Mapping[str, Any]) -> Producer:
        try:
            return Producer({**options, "error_cb": self._note_error, "logger": self._client_log.logger})
        except KafkaException as exc:
            raise client_refused(exc) from exc

    def _produce_again(
        self, producer: Producer, record: SealedRecord, partition: int, headers: Headers, error: Exception
    ) -> bool:
        """Wait for room in the client's own queue; any other refusal is a failure of the record."""
        give_up = time.monotonic() + self._deadline
        report = record if record.on_report is not None else None
        while isinstance(error, BufferError) and self.failure is None and time.monotonic() < give_up:
            with self._settled:
                self._settled.wait(_POLL_SECONDS)
            try:
                producer.produce(self._topic, record.value, record.key, partition, report, headers=headers)
            except (BufferError, KafkaException) as exc:
                error = exc
            else:
                return True
        record.reported = True
        record.error = error.args[0] if isinstance(error, KafkaException) else KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001
        self.fail(self._cause_of_end(record.error))
        return False

    def _cause_of_end(self, error: KafkaError) -> TransportError:
        """Return why the client takes no record; of one that has ended, the poller is about to learn it."""
        give_up = time.monotonic() + _FATAL_SECONDS
        with self._settled:
            while is_consequence(error) and self._fatal is None and time.monotonic() < give_up:
                self._settled.wait(_RETRY_SECONDS)
        return self._fatal[1] if self._fatal is not None else transport_error(error, self._topic)

    def _poll(self) -> None:
        while not self._closing:
            producer = self._producer
            if producer is None:
                return
            try:
                producer.poll(_POLL_SECONDS)
            except KafkaException as exc:
                # confluent-kafka raises a fatal error here instead of telling error_cb; reports still come after it.
                self._note_fatal(exc.args[0])
            if self._settle_whatever_happens():
                # Let reports gather: a thread switch for each of them would cost more than sending does.
                time.sleep(_PACE_SECONDS)
            self._watch()
        self._producer = None

    def _settle_whatever_happens(self) -> bool:
        try:
            return self._settle()
        except Exception:
            # A meter of the application's own may fail in here; without this thread nothing would be settled any more.
            logger.exception("settling delivered events failed")
            return True

    def _settle(self) -> bool:
        """Take in the delivery reports of one poll; return whether there were any."""
        if not self._reports:
            return False
        reports = self._reports[:]
        del self._reports[: len(reports)]
        delivered = self._delivered(reports)
        if any(record.error is not None for record in reports):
            cause = first_cause([record.error for record in reports if record.error is not None])
            if is_consequence(cause) and self._fatal is not None:
                self._last_error = self._fatal[1]
            else:
                self._last_error = transport_error(cause, self._topic)
            self.fail(self._last_error)
        if delivered:
            self._down_since = self._last_error = None
            self.has_delivered = True
            now = time.monotonic()
            self._progress_at = now if now < self._patient_until else 0.0
            self._client_log.well()
            self._listener.delivered(delivered)
            if self._spans is not None:
                self._spans.settled()
        sent = self._sent
        with self._settled:
            while sent and (oldest := sent[0]).reported and oldest.error is None:
                sent.popleft()
            self._settled.notify_all()
        return True

    def _delivered(self, reports: Sequence[SealedRecord]) -> list[SealedRecord]:
        """Return the records that Kafka has, according to these reports."""
        delivered: list[SealedRecord] = []
        for record in reports:
            if record.error is not None:
                continue
            confirmed = record.also_confirms
            if confirmed is None:
                self._delivery_reports.learn(record)
            elif confirmed:
                for covered in confirmed:
                    covered.reported = True
                delivered += confirmed
            delivered.append(record)
        return delivered

    def _watch(self) -> None:
        """Notice that the oldest record's time is over, or that no broker has been reachable for too long."""
        if self.failure is not None:
            return
        now = time.monotonic()
        if self._fatal is not None and now - self._fatal[0] > _FATAL_SECONDS:
            self.fail(self._fatal[1])
            return
        marks = self._sent_marks
        while marks and marks[0][0].reported:
            marks.popleft()
        if marks and now - max(marks[0][1], self._progress_at) > self._deadline:
            self.fail(self._last_error or TransportError(self._late()))
        elif (
            marks
            and self._down_since is not None
            and now - max(self._down_since, marks[0][1]) > self._unreachable_after
        ):
            self.fail(self._last_error or TransportError(f"no broker is reachable for topic {self._topic!r}"))

    def _late(self) -> str:
        return f"Kafka did not acknowledge records for topic {self._topic!r} in {self._deadline:g} s; is it overloaded?"

    def _note_error(self, error: KafkaError) -> None:
        """Take an error that concerns no single record; runs in the polling thread."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - librdkafka's own codes have a leading underscore
            self._down_since = self._down_since or time.monotonic()
        elif error.fatal():
            self._note_fatal(error)
        else:
            self._last_error = transport_error(error, self._topic)
        self._client_log.error(error)

    def _note_fatal(self, error: KafkaError) -> None:
        """Take note that the client has ended; the reports of its records, which say why, are on their way."""
        if self._fatal is None:
            self._fatal = (time.monotonic(), transport_error(error, self._topic))

    def _end_polling(self) -> None:
        self._closing = True
        if threading.current_thread() is not self._poller:
            self._poller.join(_PURGE_SECONDS)


def _is_awaited(record: SealedRecord) -> bool:
    return record.on_report is not None and not record.reported


def _expect_no_report(records: Sequence[SealedRecord]) -> None:
    for record in records:
        record.on_report = None

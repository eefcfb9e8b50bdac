"""A Kafka in memory for the replay: its transports keep the contract of ``KafkaTransport``, without a broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.transport import TransportListener
from telemetry.exceptions import TransportError


class FakeKafka:
    """Opens transports onto one topic.

    Attributes:
        topic: What Kafka acknowledged, in order, with the headers.
        away: Why no probe succeeds, or None.
        refuse: Returns why Kafka refuses a record, or None.
        acknowledges: Cleared, records are sent and stay without an acknowledgement.
        is_slow: Whether Kafka acknowledges a record only when somebody waits for it.
        transports: Every transport that was opened.
    """

    def __init__(self) -> None:
        self.topic: list[tuple[SealedRecord, Sequence[tuple[str, bytes]]]] = []
        self.away: TransportError | None = None
        self.refuse: Callable[[SealedRecord], TransportError | None] = lambda _record: None
        self.acknowledges = threading.Event()
        self.acknowledges.set()
        self.is_slow = False
        self.transports: list[FakeTransport] = []

    def open_patient(self, listener: TransportListener, *, name: str) -> FakeTransport:
        """Open a transport."""
        del listener, name
        self.transports.append(FakeTransport(self))
        return self.transports[-1]

    @property
    def sequences(self) -> list[int | None]:
        """The sequences on the topic, in order."""
        return [record.sequence for record, _ in self.topic]

    @property
    def is_open(self) -> bool:
        """Whether a transport was opened and not taken back."""
        return any(not transport.is_ended for transport in self.transports)


class FakeTransport:
    """Acknowledges records at once and in order; after a refusal it accepts nothing more."""

    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self._sent: list[SealedRecord] = []
        self._headers: dict[int, Sequence[tuple[str, bytes]]] = {}
        self._changed = threading.Condition(threading.RLock())
        self.failure: TransportError | None = None
        self.is_ended = False

    def send(self, records: Sequence[SealedRecord], *, headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Send records; stops at the first that Kafka refuses."""
        assert not self.is_ended, "records were sent over a transport that was taken back"
        for record in records:
            assert not record.reported, "a record was sent again without forgetting its report"
            self._sent.append(record)
            self._headers[id(record)] = headers
            if not self._kafka.is_slow:
                self._report(record)

    def wait_for(self, records: Sequence[SealedRecord]) -> bool:
        """Wait until the records are acknowledged or the transport failed."""
        with self._changed:
            for record in records:
                if self._kafka.is_slow:
                    self._report(record)
                assert self._changed.wait_for(lambda record=record: record.reported or self.failure, timeout=60)  # type: ignore[misc]
                if record.error is not None or not record.reported:
                    return False
        return True

    @property
    def sent(self) -> list[SealedRecord]:
        """Every record that was sent, in order."""
        return list(self._sent)

    def take_back(self) -> list[SealedRecord]:
        """End the transport; return what was not acknowledged."""
        self.is_ended = True
        rest = [record for record in self._sent if not record.reported or record.error is not None]
        for record in rest:
            record.forget_report()
        return rest

    def probe(self, timeout: float) -> TransportError | None:
        """Return why Kafka cannot be used."""
        del timeout
        return self.failure or self._kafka.away

    def fail(self, error: TransportError) -> None:
        """Declare the transport failed."""
        with self._changed:
            self.failure = self.failure or error
            self._changed.notify_all()

    def _report(self, record: SealedRecord) -> None:
        """Acknowledge or refuse a record; after a refusal no further one is reported on."""
        if self.failure is not None or record.reported or not self._kafka.acknowledges.is_set():
            return
        error = self._kafka.refuse(record)
        record.reported = True
        if error is None:
            self._kafka.topic.append((record, self._headers[id(record)]))
        else:
            record.error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
            self.fail(error)

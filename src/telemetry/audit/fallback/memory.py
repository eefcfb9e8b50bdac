"""Keeps events in order in memory while Kafka does not accept them and there is no fallback store."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby

from telemetry.audit.fallback.readiness import KafkaProbe, ReadyListener
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import TransportError
from telemetry.system.backoff import Backoff
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.audit")

_PROBE_SECONDS = 5.0
_JOIN_SECONDS = 1.0


class MemoryFallback:
    """Keeps records in memory, asks Kafka now and then, and fails records that waited too long.

    The sender adds and takes back; the probing thread asks Kafka and gives records up. Both do so under one lock.

    Args:
        ledger: Settles records whose time is over.
        patience: Seconds that a record may wait, however often it is sent meanwhile; None where the spool keeps it anyway.
        kafka: Connector that says whether Kafka can be used.
        listener: Object that is notified when Kafka answers again.
    """

    def __init__(self, *, ledger: Ledger, patience: float | None, kafka: KafkaProbe, listener: ReadyListener) -> None:
        self._ledger = ledger
        self._patience = patience
        self._kafka = kafka
        self._listener = listener
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, list[SealedRecord]]] = deque()
        self._waiting_since: dict[str, float] = {}
        self._error = TransportError("Kafka does not accept records and there is no fallback")
        self._diverted = False
        self._worker = Worker("telemetry-probe", self._run)
        self._worker.start()

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Accept records, in order."""
        now = time.monotonic()
        with self._lock:
            for since, part in groupby(records, key=lambda record: self._waiting_since.get(record.event_id, now)):
                self._waiting.append((since, list(part)))
            self._error = TransportError(f"Kafka did not accept the event in time ({reason}) and there is no fallback")

    def reject(self, records: Sequence[SealedRecord], error: TransportError) -> None:
        """Fail records that are too large for the topic: there is no other place for them."""
        self._ledger.failed(records, error)

    def take_back(self) -> list[SealedRecord]:
        """Return all records, in order."""
        with self._lock:
            # Should they come back, their time goes on: a record that Kafka never accepts would otherwise block the
            # records after it for ever.
            self._waiting_since = {record.event_id: since for since, part in self._waiting for record in part}
            records = [record for _, part in self._waiting for record in part]
            self._waiting.clear()
        return records

    @property
    def oldest(self) -> float | None:
        """Since when the oldest record waits, in monotonic seconds; None while there is none."""
        try:
            return self._waiting[0][0]
        except IndexError:  # one look instead of two: another thread may remove the last one between them
            return None

    def fallback_entered(self, reason: str) -> None:
        """Begin to probe; called by the sender."""
        del reason
        with self._lock:
            # The sender has added back the records that Kafka refused; every further record starts its own time.
            self._waiting_since.clear()
        self._diverted = True
        self._worker.wake()

    def fallback_left(self) -> None:
        """End the probes; called by the sender."""
        self._diverted = False
        self._worker.wake()

    def flush(self, timeout: float) -> bool:
        """Return whether no record is left; waiting would not change it."""
        del timeout
        with self._lock:
            return not self._waiting

    def close(self) -> list[SealedRecord]:
        """End the thread; return the records that are left."""
        self._worker.stop(_JOIN_SECONDS)
        return self.take_back()

    def __len__(self) -> int:
        """How many records are in memory."""
        with self._lock:
            return sum(len(part) for _, part in self._waiting)

    def _run(self) -> None:
        while not self._worker.is_stopping:
            if self._diverted:
                self._probe_until_direct()
            else:
                self._worker.pause()

    def _probe_until_direct(self) -> None:
        backoff = Backoff(first=0.5, longest=5.0)
        # A rest, not a pause: a sender that goes back and forth must not make the probes come faster.
        while self._diverted and not self._worker.rest(backoff.next()):
            self._expire()
            if self._kafka.probe(_PROBE_SECONDS) is None:
                self._listener.kafka_is_ready()
            # Once more, because a probe of a Kafka that is away takes seconds.
            self._expire()

    def _expire(self) -> None:
        """Fail the records that waited too long; the others stay in order."""
        if self._patience is None:
            return
        over: list[SealedRecord] = []
        with self._lock:
            while self._waiting and time.monotonic() - self._waiting[0][0] > self._patience:
                over += self._waiting.popleft()[1]
        # Outside the lock: settling wakes callers of log(), and the sender must not wait for them.
        if over:
            self._ledger.failed(over, self._error)
            logger.error("%d accepted events are lost: %s", len(over), self._error)

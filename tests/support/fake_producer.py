"""Stands in for librdkafka's producer where a test decides when and how each record is reported on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from confluent_kafka import KafkaError, KafkaException


class FakeProducer:
    """Keeps what is produced until the test acknowledges or refuses it; reports arrive in ``poll``, as the real ones do.

    Args:
        options: librdkafka settings; only ``error_cb`` is used.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._error_cb = options["error_cb"]
        self._changed = threading.Condition()
        self._events: deque[Any] = deque()
        self.pending: deque[tuple[bytes, int, Any]] = deque()
        self.room = 1_000_000
        self.headers: list[Any] = []
        self.when_full: Callable[[], None] = lambda: None
        self.topic_error: KafkaError | None = None
        self.refuses_lists: KafkaError | None = None

    def produce(
        self,
        topic: str,
        value: bytes,
        key: bytes,
        partition: int = -1,
        on_delivery: Any = None,
        timestamp: Any = None,
        timestamp_type: int = 0,
        headers: Any = None,
    ) -> None:
        """Accept a record, or raise ``BufferError`` as a full queue does."""
        del topic, key, timestamp, timestamp_type
        if len(self.pending) >= self.room:
            self.when_full()
            message = "queue full"
            raise BufferError(message)
        self.headers.append(headers)
        self.pending.append((value, partition, on_delivery))

    def acknowledge(self, count: int = 1, *, partition: int = 0) -> None:
        """Report the oldest records as delivered, with ascending offsets."""
        for _ in range(count):
            self._report(None, partition)

    def refuse(self, code: int, count: int = 1) -> None:
        """Report the oldest records as failed."""
        for _ in range(count):
            self._report(KafkaError(code), -1)

    def emit_error(self, error: KafkaError) -> None:
        """Report an error that concerns no record."""
        self._happen(lambda: self._error_cb(error))

    def raise_in_poll(self, error: KafkaError) -> None:
        """Raise in the next poll, as confluent-kafka does for a fatal error."""

        def fail() -> None:
            raise KafkaException(error)

        self._happen(fail)

    def poll(self, timeout: float) -> int:
        """Run what has happened, or wait for something to happen."""
        with self._changed:
            if not self._events:
                self._changed.wait(timeout)
            events = [*self._events]
            self._events.clear()
        for event in events:
            event()
        return len(events)

    def purge(self, **_how: bool) -> None:
        """Report all that is left as purged."""
        self.refuse(KafkaError._PURGE_QUEUE, len(self.pending))

    def list_topics(self, topic: str, *, timeout: float) -> Any:
        """Describe one topic, or raise."""
        del timeout
        if self.refuses_lists is not None:
            raise KafkaException(self.refuses_lists)
        return SimpleNamespace(topics={topic: SimpleNamespace(error=self.topic_error)})

    def _report(self, error: KafkaError | None, partition: int) -> None:
        _, _, on_delivery = self.pending.popleft()
        if on_delivery is None:
            return
        message = SimpleNamespace(partition=lambda: partition, offset=lambda: 0)
        self._happen(lambda: on_delivery(error, message))

    def _happen(self, event: Any) -> None:
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

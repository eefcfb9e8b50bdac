"""What every contender needs: a clock, and a producer that counts deliveries."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import Producer

from bench.setup import HEADERS, producer_settings
from bench.spec import Spec

_POLL_EVERY = 100
Result = dict[str, float]


class CountingProducer:
    """confluent-kafka with a delivery callback that counts; polls in the calling thread, the cheapest way there is."""

    def __init__(self, spec: Spec) -> None:
        self._producer = Producer(producer_settings(spec))
        self._topic = spec.topic
        self._sent = 0
        self._delivered = 0

    def send(self, key: bytes, value: bytes, headers: list[tuple[str, bytes]] = HEADERS) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._count, headers=headers)
                break
            except BufferError:
                self._producer.poll(0.01)
        self._sent += 1
        if self._sent % _POLL_EVERY == 0:
            self._producer.poll(0)

    def finish(self) -> None:
        self._producer.flush()
        if self._delivered != self._sent:
            message = f"{self._sent - self._delivered} records were not delivered"
            raise RuntimeError(message)

    def _count(self, error: Any, _message: Any) -> None:
        if error is not None:
            raise RuntimeError(str(error))
        self._delivered += 1


class Clock:
    """Wall time and CPU time of this process since it was made."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def result(self, events: int) -> Result:
        wall, cpu = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"events_per_second": events / wall, "cpu_us": cpu / events * 1e6}

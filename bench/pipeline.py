"""Events a second from the call to Kafka's acknowledgement."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from confluent_kafka import Producer

from bench.setup import HEADERS, audit_config, producer_settings, sealed_samples
from bench.spec import USERS, Spec, payload
from telemetry import Telemetry
from telemetry.sync import Telemetry as BlockingTelemetry

_POLL_EVERY = 100
Result = dict[str, float]


def audit(spec: Spec) -> Result:
    """This library as a user calls it."""
    return asyncio.run(_audit_tasks(spec)) if spec.tasks else _audit_threads(spec)


def _audit_threads(spec: Spec) -> Result:
    body, share = payload(spec.size), spec.events // spec.threads
    with BlockingTelemetry(audit_config(spec)) as telemetry:
        log = telemetry.audit.log
        log("warm_up", {}, "nobody", wait_for="delivered")

        def work() -> None:
            for user in islice(cycle(USERS), share):
                log("order_read", body, user)

        clock = Clock()
        _run_threads(work, spec.threads)
        while telemetry.audit.get_audit_stats().queued:
            time.sleep(0.002)
        result = clock.result(share * spec.threads)
        _require_delivered(telemetry.audit.get_audit_stats(), share * spec.threads + 1)
    return result


async def _audit_tasks(spec: Spec) -> Result:
    body, share = payload(spec.size), spec.events // spec.tasks
    async with Telemetry(audit_config(spec)) as telemetry:
        log = telemetry.audit.log
        await log("warm_up", {}, "nobody", wait_for="delivered")

        async def work() -> None:
            for user in islice(cycle(USERS), share):
                await log("order_read", body, user)

        clock = Clock()
        await asyncio.gather(*[work() for _ in range(spec.tasks)])
        while telemetry.audit.get_audit_stats().queued:
            await asyncio.sleep(0.002)
        result = clock.result(share * spec.tasks)
        _require_delivered(telemetry.audit.get_audit_stats(), share * spec.tasks + 1)
    return result


def produce(spec: Spec) -> Result:
    """The upper bound: confluent-kafka sends the same sealed bytes, nothing is encrypted while the clock runs."""
    samples = sealed_samples(spec)
    sender = CountingProducer(spec)
    sender.send(*samples[0])
    sender.finish()
    clock = Clock()
    send = sender.send
    for key, value in islice(cycle(samples), spec.events):
        send(key, value)
    sender.finish()
    return clock.result(spec.events)


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


def _run_threads(work: Callable[[], None], count: int) -> None:
    if count == 1:
        work()
        return
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _require_delivered(stats: Any, expected: int) -> None:
    if stats.delivered != expected or stats.failed or stats.stored:
        message = f"expected {expected} delivered events: {stats}"
        raise RuntimeError(message)


CONTENDERS: dict[str, Callable[[Spec], Result]] = {"audit": audit, "produce": produce}

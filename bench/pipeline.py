"""Events a second from the call to Kafka's acknowledgement."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from bench import rivals
from bench.sender import Clock, CountingProducer, Result
from bench.setup import ALL_HEADERS, audit_config, sealed_samples
from bench.spec import USERS, Spec, payload
from telemetry import Telemetry
from telemetry.sync import Telemetry as BlockingTelemetry


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
        _wait_idle(telemetry.audit.get_audit_stats)
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
        await asyncio.to_thread(_wait_idle, telemetry.audit.get_audit_stats)
        result = clock.result(share * spec.tasks)
        _require_delivered(telemetry.audit.get_audit_stats(), share * spec.tasks + 1)
    return result


def produce(spec: Spec) -> Result:
    """The upper bound: confluent-kafka sends the same sealed bytes, nothing is encrypted while the clock runs."""
    samples = sealed_samples(spec)
    sender = CountingProducer(spec)
    sender.send(*samples[0], ALL_HEADERS)
    sender.finish()
    clock = Clock()
    send = sender.send
    for key, value in islice(cycle(samples), spec.events):
        send(key, value, ALL_HEADERS)
    sender.finish()
    return clock.result(spec.events)


def _wait_idle(stats: Callable[[], Any]) -> None:
    while stats().queued:
        time.sleep(0.002)


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


CONTENDERS: dict[str, Callable[[Spec], Result]] = {"audit": audit, "produce": produce, **rivals.CONTENDERS}

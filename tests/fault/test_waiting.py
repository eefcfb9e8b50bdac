"""Lets calls wait: they are served in order, cancelled without harm, and never lost once accepted."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import Telemetry
from telemetry.audit.receipt import Receipt
from telemetry.config.audit import WaitFor
from telemetry.exceptions import BackpressureError, TelemetryError
from telemetry.testing import EmbeddedKafka
from tests.support.events_at_rest import ids, in_fallback, on_topic
from tests.support.faulty_services import FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config
from tests.support.sending_pipeline import sending_pipeline
from tests.support.until import until

_PATIENCE = 120.0
_ROOM = 30
"""Events in the queue; as many may wait."""


@pytest.fixture
def store() -> Iterator[FaultyStore]:
    faulty = FaultyStore()
    yield faulty
    faulty.clear()


class Full:
    """A service whose queue is full: Kafka is away, and the store hangs. The first event that waits has number 0."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.telemetry = telemetry
        self.pipeline = sending_pipeline(telemetry._runtime)
        self.receipts: dict[int, Receipt] = {}

    async def until_waiting(self, count: int) -> None:
        await asyncio.to_thread(until, lambda: self.pipeline._intake.waiting == count)

    async def log(self, number: int) -> None:
        self.receipts[number] = await self.telemetry.audit.log("step", {"n": number}, "ada")

    def log_blocking(self, number: int) -> None:
        self.receipts[number] = self.telemetry.audit.log("step", {"n": number}, "ada")


@pytest.fixture
async def full(store: FaultyStore, tmp_path: Path) -> AsyncIterator[Full]:
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        queue_max_events=_ROOM,
        queue_full_timeout_ms=60_000,
        fallback_object_seconds=0.02,
    )
    async with Telemetry(config) as telemetry:
        store.begin("hanging")
        service = Full(telemetry)
        for number in range(_ROOM):
            await service.log(number - _ROOM)
        yield service
        store.clear()


async def test_calls_are_served_in_order(full: Full, store: FaultyStore) -> None:
    tasks, threads = [], []
    for number in range(12):
        if number % 3:
            tasks.append(asyncio.create_task(full.log(number)))
        else:
            threads.append(threading.Thread(target=full.log_blocking, args=(number,)))
            threads[-1].start()
        await full.until_waiting(number + 1)
    store.clear()
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(*tasks, *(asyncio.to_thread(thread.join, _PATIENCE) for thread in threads))

    assert [full.receipts[number].sequence for number in range(12)] == list(range(_ROOM, _ROOM + 12))


async def test_waiting_calls_are_not_overtaken(full: Full, store: FaultyStore) -> None:
    stop = threading.Event()
    newcomers: list[Receipt] = []

    def keep_coming() -> None:
        while not stop.is_set():
            newcomers.append(full.telemetry.audit.log("step", {}, "newcomer"))

    tasks = [asyncio.create_task(full.log(number)) for number in range(20)]
    await full.until_waiting(20)
    threads = [threading.Thread(target=keep_coming) for _ in range(4)]
    for thread in threads:
        thread.start()
    await full.until_waiting(24)
    store.clear()
    try:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.gather(*tasks)
    finally:
        stop.set()
        await asyncio.gather(*(asyncio.to_thread(thread.join, _PATIENCE) for thread in threads))

    served = list(range(_ROOM, _ROOM + 20))
    assert [full.receipts[number].sequence for number in range(20)] == served
    assert not {receipt.sequence for receipt in newcomers} & set(served)


async def test_cancelled_call_is_logged_all_the_same(full: Full, store: FaultyStore, tmp_path: Path) -> None:
    noise: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: noise.append(context))
    before, cancelled, behind = (asyncio.create_task(full.log(number)) for number in range(3))
    await full.until_waiting(3)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert full.pipeline._intake.waiting == 3
    store.clear()
    async with asyncio.timeout(_PATIENCE):
        await asyncio.gather(before, behind)
        await full.receipts[2].delivered()
    await full.telemetry.shutdown(10)
    gc.collect()

    assert (full.receipts[0].sequence, full.receipts[2].sequence) == (_ROOM, _ROOM + 2)
    assert full.pipeline.stats().logged == full.pipeline.stats().stored == _ROOM + 3
    assert noise == []


async def test_cancelled_wait_keeps_its_event(store: FaultyStore, tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        config = quick_config(kafka.bootstrap_servers, tmp_path, storage_config=store.config, kafka_timeout_ms=30_000)
        async with Telemetry(config) as telemetry:
            kafka.set_latency(0.5)
            levels: tuple[WaitFor, ...] = ("durable", "delivered")
            waits = [
                asyncio.create_task(telemetry.audit.log("step", {"n": number}, "ada", wait_for=level))
                for number, level in enumerate(levels)
            ]
            await asyncio.sleep(0)
            for wait in waits:
                wait.cancel()
            assert all(
                isinstance(outcome, asyncio.CancelledError)
                for outcome in await asyncio.gather(*waits, return_exceptions=True)
            )
        values = [value for value in on_topic(config) if "sequence" in value]

    assert len(ids(values)) == 2


async def test_cancelled_calls_lose_and_double_nothing(store: FaultyStore, tmp_path: Path) -> None:
    config = quick_config(
        NOWHERE,
        tmp_path,
        queue_max_events=30,
        queue_full_timeout_ms=60_000,
        fallback_object_seconds=0.01,
    )

    async with Telemetry(config) as telemetry:
        for _ in range(15):
            tasks = [asyncio.create_task(telemetry.audit.log("step", {}, "ada")) for _ in range(20)]
            await asyncio.sleep(0.01)
            for task in tasks[::2]:
                task.cancel()
            async with asyncio.timeout(_PATIENCE):
                await asyncio.gather(*tasks, return_exceptions=True)
    stats = telemetry._runtime._pipeline.stats() if telemetry._runtime._pipeline is not None else None
    found = in_fallback(config)

    assert stats is not None
    assert (stats.logged, stats.waiting, stats.refused) == (300, 0, 0)
    assert len(found) == len(ids(found)) == 300
    assert sorted(int(value["sequence"]) for value in found) == list(range(300))


async def test_full_queue_refuses_waiting_calls(store: FaultyStore, tmp_path: Path) -> None:
    config = quick_config(NOWHERE, tmp_path, storage_config=store.config, queue_max_events=30, queue_full_timeout_ms=50)
    async with Telemetry(config) as telemetry:
        store.begin("hanging")
        for _ in range(30):
            await telemetry.audit.log("step", {}, "ada")
        outcomes = await asyncio.gather(
            *(telemetry.audit.log("step", {}, "ada") for _ in range(30)), return_exceptions=True
        )
        stats = telemetry.audit.get_audit_stats()
        store.clear()

    assert {type(outcome) for outcome in outcomes} == {BackpressureError}
    assert (stats.logged, stats.refused) == (30, 30)


async def test_failed_event_fails_every_wait(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        config = quick_config(
            kafka.bootstrap_servers, tmp_path, fallback_enabled=False, kafka_timeout_ms=200, max_retries=0
        )
        async with Telemetry(config) as telemetry:
            kafka.stop_brokers()
            receipt = await telemetry.audit.log("step", {}, "ada")
            async with asyncio.timeout(_PATIENCE):
                outcomes = await asyncio.gather(
                    receipt.durable(),
                    receipt.delivered(),
                    asyncio.to_thread(receipt.wait_delivered, _PATIENCE),
                    return_exceptions=True,
                )

    assert all(isinstance(outcome, TelemetryError) for outcome in outcomes)
    assert len({str(outcome) for outcome in outcomes}) == 1
    assert "there is no fallback" in str(outcomes[0])

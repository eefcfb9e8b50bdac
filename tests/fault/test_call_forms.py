"""``log()`` from coroutines, threads, uvloop and an ASGI server: it never blocks a loop, loses nothing and keeps the order."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from telemetry import Telemetry
from telemetry.exceptions import BackpressureError
from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditEvent
from tests.support.events_at_rest import on_topic
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.quick_telemetry import NOWHERE, quick_config, running

ORDERED = 10_000
UNAWAITED = int(os.environ.get("UNAWAITED_CALLS", "60000"))
_GROWTH_BYTES = 24 << 20
_LONGEST_CALL = 2.0
"""Seconds that one call may take on a busy machine; one that waits for room takes a minute."""


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


def opened(config: Any) -> list[AuditEvent]:
    with KafkaSource(config) as source:
        entries = list(TrailReader(source, provider=None))
    assert all(isinstance(entry, OpenedEvent) for entry in entries)
    return [entry.event for entry in entries if isinstance(entry, OpenedEvent)]


def test_alternating_calls_of_one_user_stay_in_order(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, kafka_timeout_ms=30_000)

    async def alternate(telemetry: Telemetry) -> None:
        loop = asyncio.get_running_loop()
        for number in range(0, ORDERED, 2):
            await telemetry.audit.log("step", {"n": number}, "ada")
            await loop.run_in_executor(None, lambda n=number: telemetry.audit.log("step", {"n": n + 1}, "ada"))  # type: ignore[misc]

    with running(config) as telemetry:
        asyncio.run(alternate(telemetry))

    assert [int(value["data"]["payload"]["n"]) for value in on_topic(config)] == list(range(ORDERED))


def test_threads_and_a_loop_keep_the_order_of_each(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, kafka_timeout_ms=30_000)

    def from_thread(telemetry: Telemetry, user: str) -> None:
        for number in range(300):
            telemetry.audit.log("step", {"n": number}, user)

    async def from_loop(telemetry: Telemetry) -> None:
        for number in range(300):
            telemetry.audit.log("step", {"n": number}, "loop")
            if number % 7 == 0:
                await asyncio.sleep(0)

    with running(config) as telemetry:
        threads = [threading.Thread(target=from_thread, args=(telemetry, f"thread-{n}")) for n in range(8)]
        for thread in threads:
            thread.start()
        asyncio.run(from_loop(telemetry))
        for thread in threads:
            thread.join()

    found: dict[str, list[int]] = defaultdict(list)
    for value in on_topic(config):
        found[value["data"]["user_id"]].append(int(value["data"]["payload"]["n"]))
    assert len(found) == 9
    assert all(numbers == list(range(300)) for numbers in found.values())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_no_loop_is_blocked_while_nothing_moves(loop: str, tmp_path: Path) -> None:
    store = FaultyStore()
    config = quick_config(
        NOWHERE, tmp_path, storage_config=store.config, queue_max_events=50, queue_full_timeout_ms=60_000
    )
    longest = 0.0

    async def log_everything(telemetry: Telemetry) -> int:
        nonlocal longest
        refused = 0
        for number in range(200):
            began = time.monotonic()
            try:
                telemetry.audit.log("step", {"n": number}, "ada", wait_for="delivered")
            except BackpressureError:
                refused += 1
            longest = max(longest, time.monotonic() - began)
        return refused

    with running(config) as telemetry:
        store.begin("hanging")
        if loop == "uvloop":
            uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheels for this system")
            refused = uvloop.run(log_everything(telemetry))
        else:
            refused = asyncio.run(log_everything(telemetry))
        store.clear()

    assert refused == 100, "50 in the queue and 50 that wait"
    assert longest < _LONGEST_CALL
    stats = telemetry._runtime._pipeline.stats() if telemetry._runtime._pipeline else None
    assert stats is not None
    assert (stats.logged, stats.stored, stats.refused, stats.lost) == (100, 100, 100, 0)


def test_asgi_application_logs_from_a_sync_function(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    config = quick_config(kafka.bootstrap_servers, tmp_path, kafka_timeout_ms=30_000)
    with running(config) as telemetry:

        def record(path: str) -> None:
            telemetry.audit.log("http.get", {"path": path}, "ada")

        async def application(scope: dict[str, Any], _receive: Any, send: Any) -> None:
            assert scope["type"] == "http"
            record(scope["path"])
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            host, port = server.servers[0].sockets[0].getsockname()
            asyncio.run(_get(host, port, [f"/orders/{number}" for number in range(50)]))
        finally:
            server.should_exit = True
            thread.join(60)

    assert [value["data"]["payload"]["path"] for value in on_topic(config)] == [f"/orders/{n}" for n in range(50)]


async def _get(host: str, port: int, paths: list[str]) -> None:
    for path in paths:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert (await reader.readline()).split()[1] == b"204"
        writer.close()


def test_hostile_context_costs_no_event(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    odd = ["x" * 5_000, "a\x85b", "\x00", "", "   ", "\ud800", "\u202e" * 5_000, "\x1b[2J", "u~" + "h" * 22, "\u2028"]
    config = quick_config(kafka.bootstrap_servers, tmp_path, kafka_timeout_ms=30_000)

    async def log_everything(telemetry: Telemetry) -> None:
        for number in range(1_000):
            text = odd[number % len(odd)] + ("z" * (number // len(odd)) if number % 2 else "")
            field = ("user_agent", "correlation_id", "session_id", "ip_address", "reason")[number // 10 % 5]
            given = {field: odd[number % len(odd)]} if number % 3 else {"user_agent": odd[(number + 1) % len(odd)]}
            await telemetry.audit.log("http.get", {"n": number}, text or "", **given)  # type: ignore[arg-type]

    with running(config) as telemetry:
        asyncio.run(log_everything(telemetry))

    events = opened(config)
    assert sorted(event.payload["n"] for event in events) == list(range(1_000))
    assert all(event.adjusted for event in events)


@pytest.mark.timeout(1_800)
def test_calls_without_await_are_bounded_while_all_is_away(tmp_path: Path) -> None:
    store, keys = FaultyStore(), FaultyKeys()
    config = quick_config(
        NOWHERE,
        tmp_path,
        storage_config=store.config,
        encryption_enabled=True,
        encryption_config=keys.config,
        queue_max_events=500,
        queue_full_timeout_ms=50,
        data_key_wait_ms=50,
        data_key_max_uses=100,
    )
    raised: Counter[str] = Counter()
    memory: list[int] = []

    async def log_everything(telemetry: Telemetry) -> None:
        process = psutil.Process()
        for number in range(UNAWAITED):
            try:
                telemetry.audit.log("step", {"n": number}, f"user-{number % 100}")
            except BackpressureError as exc:
                raised[type(exc).__name__] += 1
            if number % 500 == 0:
                await asyncio.sleep(0.001)
            if number % (UNAWAITED // 20) == 0:
                memory.append(process.memory_info().rss)

    with running(config) as telemetry:
        store.begin("hanging")
        keys.begin("hanging")
        asyncio.run(log_everything(telemetry))
        pipeline = telemetry._runtime.pipeline()
        store.clear()
        keys.clear()

    stats = pipeline.stats()
    assert stats.logged + stats.refused == UNAWAITED
    assert stats.lost == stats.refused - raised.total(), "what was not raised is counted as lost"
    assert stats.lost > 0
    assert stats.logged == stats.stored
    assert memory[-1] - memory[5] < _GROWTH_BYTES
    sys.stderr.write(f"{UNAWAITED} calls: {stats}, RSS {memory[0] >> 20} to {memory[-1] >> 20} MiB\n")

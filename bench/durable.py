"""Events a second, and time until an event survives a crash, by how many tasks wait at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path

from bench.sender import Result
from bench.setup import audit_config
from bench.spec import USERS, Spec, event, payload
from telemetry import Telemetry


def audit(spec: Spec) -> Result:
    """This library with a spool: every ``log()`` returns when its sealed event is on disk."""
    return asyncio.run(_audit(spec))


async def _audit(spec: Spec) -> Result:
    body, share, times = payload(spec.size), spec.events // spec.tasks, list[float]()
    async with Telemetry(audit_config(spec, spool_path=Path(spec.folder) / "spool")) as telemetry:
        log, now = telemetry.audit.log, time.perf_counter
        await log("warm_up", {}, "nobody", wait_for="delivered")

        async def work() -> None:
            for user in islice(cycle(USERS), share):
                started = now()
                await log("order_read", body, user, wait_for="durable")
                times.append(now() - started)

        started = now()
        await asyncio.gather(*[work() for _ in range(spec.tasks)])
        return _result(times, now() - started)


def sqlite(spec: Spec) -> Result:
    """SQLite, write-ahead log, ``synchronous=FULL``: one commit per event, not encrypted."""
    database = sqlite3.connect(Path(spec.folder) / "events.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE events (id TEXT PRIMARY KEY, event TEXT)")
    body = payload(spec.size)

    def store(user: str) -> None:
        made = event(user, body)
        database.execute("INSERT INTO events VALUES (?, ?)", (made["id"], json.dumps(made)))

    return _one_by_one(spec, store)


def append_fdatasync(spec: Spec) -> Result:
    """A line of JSON appended and ``fdatasync`` called, for each event, not encrypted."""
    file, body = (
        os.open(Path(spec.folder) / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        payload(spec.size),
    )

    def store(user: str) -> None:
        os.write(file, json.dumps(event(user, body)).encode() + b"\n")
        os.fdatasync(file)

    return _one_by_one(spec, store)


def _one_by_one(spec: Spec, store: Callable[[str], None]) -> Result:
    times: list[float] = []
    begun = time.perf_counter()
    for user in islice(cycle(USERS), spec.events):
        started = time.perf_counter()
        store(user)
        times.append(time.perf_counter() - started)
    return _result(times, time.perf_counter() - begun)


def _result(times: list[float], wall: float) -> Result:
    times.sort()
    return {
        "events_per_second": len(times) / wall,
        "p50_ms": times[len(times) // 2] * 1e3,
        "p99_ms": times[len(times) * 99 // 100] * 1e3,
    }


CONTENDERS: dict[str, Callable[[Spec], Result]] = {
    "audit": audit,
    "sqlite": sqlite,
    "append_fdatasync": append_fdatasync,
}

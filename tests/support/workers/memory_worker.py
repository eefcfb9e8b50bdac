"""Logs at a steady rate until its standard input ends, and prints the counts as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from telemetry import Telemetry
from telemetry.config import AuditConfig
from telemetry.exceptions import TelemetryError, UndeliveredError
from telemetry.sync import Telemetry as BlockingTelemetry

THREADS, TASKS = 4, 50
QUEUE_EVENTS = 4_000
CASES = ("fallback", "spool only")
_PAYLOAD = {"pad": "x" * 300}


def config_of(case: str, brokers: str, folder: Path) -> AuditConfig:
    """Return the configuration of ``fallback`` (spool and store) or ``spool only``."""
    fields: dict[str, Any] = {}
    if case == "fallback":
        fields["storage_config"] = {"provider": "local_file", "base_path": folder / "fallback"}
    return AuditConfig(
        kafka_brokers=brokers,
        security_protocol="PLAINTEXT",
        kafka_timeout_ms=1_000,
        max_retries=1,
        spool_path=folder / "spool",
        queue_max_events=QUEUE_EVENTS,
        queue_full_timeout_ms=100,
        fallback_object_seconds=1.0,
        fallback_enabled=case == "fallback",
        encryption_config={"provider": "local_key", "key_path": folder / "key", "passphrase": "correct horse"},  # type: ignore[arg-type]
        **fields,
    )


class Worker:
    """Half of the events come from threads, half from the tasks of an event loop.

    Args:
        config: Its audit pipeline.
        rate: Events a second.
    """

    def __init__(self, config: AuditConfig, *, rate: float) -> None:
        self._blocking = BlockingTelemetry(config)
        self._shared = Telemetry(config)
        # Both faces share one pipeline.
        self._shared.audit._owner = self._blocking._runtime
        self._rate = rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._calls = self._raised = 0

    def run(self) -> dict[str, int]:
        """Log until standard input ends; return the outcomes of all calls."""
        self._blocking.start()
        sys.stdout.write("started\n")
        sys.stdout.flush()
        threads = [threading.Thread(target=self._log) for _ in range(THREADS)]
        threads.append(threading.Thread(target=lambda: asyncio.run(self._run_tasks())))
        for thread in threads:
            thread.start()
        sys.stdin.read()
        self._stop.set()
        for thread in threads:
            thread.join()
        return {"calls": self._calls, "raised": self._raised, **self._shut_down()}

    def _shut_down(self) -> dict[str, int]:
        try:
            report = self._blocking.shutdown(120)
        except UndeliveredError as exc:
            return {"failed": exc.count}
        return {
            "delivered": report.delivered,
            "stored": report.stored,
            "spooled": report.spooled,
            "failed": report.failed,
        }

    def _count(self, *, raised: bool) -> None:
        with self._lock:
            self._calls += 1
            self._raised += raised

    def _log(self) -> None:
        interval = 2 * THREADS / self._rate
        while not self._stop.wait(interval):
            try:
                self._blocking.audit.log("step", _PAYLOAD, "thread")
            except TelemetryError:
                self._count(raised=True)
            else:
                self._count(raised=False)

    async def _run_tasks(self) -> None:
        await asyncio.gather(*(self._log_in_task(number) for number in range(TASKS)))

    async def _log_in_task(self, number: int) -> None:
        interval = 2 * TASKS / self._rate
        due = time.monotonic() + interval * number / TASKS
        while not self._stop.is_set():
            due = max(due + interval, time.monotonic())
            await asyncio.sleep(due - time.monotonic())
            try:
                await self._shared.audit.log("step", _PAYLOAD, f"task-{number}")
            except TelemetryError:
                self._count(raised=True)
            else:
                self._count(raised=False)


if __name__ == "__main__":
    case, brokers, folder, rate = sys.argv[1:]
    sys.stdout.write(json.dumps(Worker(config_of(case, brokers, Path(folder)), rate=float(rate)).run()) + "\n")

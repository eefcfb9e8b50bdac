"""Logs for many users while Kafka comes and goes, or replays, until it is killed; prints the ids of durable events."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
from typing import Any

from telemetry import Telemetry
from telemetry.audit.replay import turn, worker
from telemetry.audit.replay.once import replay_now
from telemetry.config import AuditConfig, TelemetryConfig


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _log_for(telemetry: Telemetry, user: int, pause: float, stop: asyncio.Event) -> None:
    await asyncio.sleep(pause * user / 100)
    for number in itertools.count():
        if stop.is_set():
            return
        receipt = await telemetry.audit.log("step", {"number": number}, f"user-{user}", wait_for="durable")
        _print(receipt.event_id)
        await asyncio.sleep(pause)


async def log(config: AuditConfig, *, users: int, rate: float) -> None:
    """Log until SIGTERM, then shut down cleanly."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Telemetry(config) as telemetry:
        await asyncio.gather(*(_log_for(telemetry, user, users / rate, stop) for user in range(users)))


def main(work: str, fields: dict[str, Any], *, users: int, rate: float, lease: float) -> None:
    """Log or replay with a configuration."""
    turn.LEASE_SECONDS = lease
    worker.SCAN_SECONDS = 1.0
    config = AuditConfig(**fields)
    if work == "log":
        asyncio.run(log(config, users=users, rate=rate))
    else:
        replay_now(TelemetryConfig(audit_config=config), on_object=lambda name, _events: _print(name))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), **json.loads(sys.argv[3]))

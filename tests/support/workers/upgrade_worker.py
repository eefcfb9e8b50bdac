"""Logs with the release that the path names until it is killed or told to end; prints the ids of durable events."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys

from telemetry import Telemetry
from telemetry.config import TelemetryConfig

_PAUSE_SECONDS = 0.02


async def _log_for(telemetry: Telemetry, user: int, stop: asyncio.Event) -> None:
    for number in itertools.count():
        if stop.is_set():
            return
        receipt = await telemetry.audit.log("step", {"number": number}, f"user-{user}", wait_for="durable")
        sys.stdout.write(f"{receipt.event_id}\n")
        sys.stdout.flush()
        await asyncio.sleep(_PAUSE_SECONDS)


async def main(file: str, users: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Telemetry(TelemetryConfig.load(file)) as telemetry:
        sys.stdout.write("started\n")
        sys.stdout.flush()
        await asyncio.gather(stop.wait(), *(_log_for(telemetry, user, stop) for user in range(users)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))

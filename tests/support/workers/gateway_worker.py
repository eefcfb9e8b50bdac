"""Logs on behalf of several services until it is killed, and prints service and id of each durable event."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from telemetry import Telemetry
from tests.support.gateway_site import GatewaySite


async def _log_without_end(telemetry: Telemetry, service: str) -> None:
    number = 0
    while True:
        audit = telemetry.audit.on_behalf_of(service)
        receipt = await audit.log("work", {"number": number}, "ada", wait_for="durable")
        sys.stdout.write(f"{service} {receipt.event_id}\n")
        sys.stdout.flush()
        number += 1


async def main(brokers: str, folder: Path, services: int) -> None:
    site = GatewaySite(brokers, folder)
    async with Telemetry(site.config(spool_path=folder / "spool", kafka_timeout_ms=1_000, max_retries=1)) as telemetry:
        await asyncio.gather(*(_log_without_end(telemetry, f"service-{number}") for number in range(services)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))

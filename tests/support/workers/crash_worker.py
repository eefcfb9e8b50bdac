"""Logs until it is killed, and prints the ids of durable events."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from telemetry import Telemetry
from telemetry.config import AuditConfig


async def _log_without_end(telemetry: Telemetry, task: int) -> None:
    number = 0
    while True:
        receipt = await telemetry.audit.log(
            "work", {"task": task, "number": number}, f"user-{task}", wait_for="durable"
        )
        sys.stdout.write(f"{receipt.event_id}\n")
        sys.stdout.flush()
        number += 1


async def main(brokers: str, folder: str, tasks: int) -> None:
    config = AuditConfig(
        kafka_brokers=brokers,
        security_protocol="PLAINTEXT",
        kafka_timeout_ms=1_000,
        max_retries=1,
        spool_path=Path(folder, "spool"),
        encryption_config={"provider": "local_key", "key_path": f"{folder}/key", "passphrase": "correct horse"},  # type: ignore[arg-type]
        storage_config={"provider": "local_file", "base_path": f"{folder}/fallback"},  # type: ignore[arg-type]
        signing_config={"key_path": f"{folder}/signing", "passphrase": "correct horse", "every_events": 100},  # type: ignore[arg-type]
        fallback_object_seconds=0.2,
    )
    async with Telemetry(config) as telemetry:
        if tasks:
            await asyncio.gather(*(_log_without_end(telemetry, task) for task in range(tasks)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))

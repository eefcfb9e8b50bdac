"""Logs until it is killed, and prints the ids of durable events; on a slow disk, if it is asked to."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from telemetry import Telemetry
from telemetry.audit.spool.segment import SpoolSegment
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


def _slow_down(seconds: float) -> None:
    """Let each commit to the spool take so long before its first byte is written."""
    append = SpoolSegment.append

    def append_late(segment: SpoolSegment, *args: Any, **options: Any) -> None:
        time.sleep(seconds)
        append(segment, *args, **options)

    SpoolSegment.append = append_late  # type: ignore[method-assign, assignment]


async def main(brokers: str, folder: str, tasks: int, *, every_events: int) -> None:
    config = AuditConfig(
        kafka_brokers=brokers,
        security_protocol="PLAINTEXT",
        kafka_timeout_ms=1_000,
        max_retries=1,
        spool_path=Path(folder, "spool"),
        encryption_config={"provider": "local_key", "key_path": f"{folder}/key", "passphrase": "correct horse"},  # type: ignore[arg-type]
        storage_config={"provider": "local_file", "base_path": f"{folder}/fallback"},  # type: ignore[arg-type]
        signing_config={"key_path": f"{folder}/signing", "passphrase": "correct horse", "every_events": every_events},  # type: ignore[arg-type]
        fallback_object_seconds=0.2,
    )
    async with Telemetry(config) as telemetry:
        if tasks:
            await asyncio.gather(*(_log_without_end(telemetry, task) for task in range(tasks)))


if __name__ == "__main__":
    slow = float(sys.argv[4])
    if slow:
        _slow_down(slow)
    # On a slow disk a checkpoint after each group: the next group is being committed when it is signed.
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), every_events=1 if slow else 100))

"""Logs in a process of the fault suite until it is killed, or while its disk is full for some time.

The process reads its task, one line of JSON, from standard input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from telemetry import Telemetry
from telemetry.config import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from telemetry.sync import Telemetry as BlockingTelemetry

_TASKS = 20
_EVENTS, _PAD = 300, 2_000
_ROOM_BYTES = 256 << 10
_PATIENCE = 20.0
_TICK_SECONDS = 0.05


def _config(task: dict[str, str]) -> TelemetryConfig:
    folder = Path(task["folder"])
    audit = AuditConfig(
        kafka_brokers=task["brokers"],
        security_protocol="PLAINTEXT",
        kafka_timeout_ms=2_000,
        max_retries=1,
        spool_path=folder / "spool",
        fallback_object_seconds=0.2,
        encryption_config=EncryptionConfig(
            provider="local_key", key_path=folder / "key.json", passphrase=SecretStr(task["passphrase"])
        ),
        storage_config=StorageConfig(provider="local_file", base_path=folder / "fallback"),
    )
    return TelemetryConfig(service_name="faults", environment="faults", audit_config=audit)


async def _log_without_end(telemetry: Telemetry, number: int) -> None:
    while True:
        receipt = await telemetry.audit.log("work", {"task": number}, f"user-{number}", wait_for="durable")
        _write_line(receipt.event_id)


async def _run_without_end(config: TelemetryConfig) -> None:
    async with Telemetry(config) as telemetry:
        await asyncio.gather(*(_log_without_end(telemetry, number) for number in range(_TASKS)))


class _SpoolState(logging.Handler):
    """Learns from the library's log lines when the spool stops and when it continues."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.stopped, self.continued = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        (self.stopped if record.levelno >= logging.ERROR else self.continued).set()


def _run_with_a_full_disk(config: TelemetryConfig) -> dict[str, Any]:
    import resource  # noqa: PLC0415 - not on every system; the suite asks first

    state = _SpoolState()
    logging.getLogger("telemetry.spool").addHandler(state)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ids: list[str] = []
    telemetry = BlockingTelemetry(config)
    telemetry.start()
    # No file may grow beyond this: a full disk, but for this process only. Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM_BYTES, before[1]))
    ids += (telemetry.audit.log("work", {"pad": "x" * _PAD}, "ada").event_id for _ in range(_EVENTS))
    stopped = state.stopped.wait(_PATIENCE)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    for _ in range(int(_PATIENCE / _TICK_SECONDS)):
        # The spool tries its disk again when there is something to write.
        ids.append(telemetry.audit.log("work", {}, "ada").event_id)
        if state.continued.wait(_TICK_SECONDS):
            break
    report = telemetry.shutdown()
    return {
        "ids": ids,
        "stopped": stopped,
        "continued": state.continued.is_set(),
        "delivered": report.delivered,
        "stored": report.stored,
        "spooled": report.spooled,
        "failed": report.failed,
    }


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Read the task and do it."""
    task = json.loads(sys.stdin.readline())
    config = _config(task)
    if task["mode"] == "full disk":
        _write_line(json.dumps(_run_with_a_full_disk(config)))
    else:
        asyncio.run(_run_without_end(config))


if __name__ == "__main__":
    main()

"""Logs a hundred events and ends without ``shutdown()``, in the way that its arguments name."""

from __future__ import annotations

import _thread
import asyncio
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from telemetry import Telemetry
from telemetry.audit import runtime
from telemetry.sync import Telemetry as BlockingTelemetry
from telemetry.types import AuditConfig
from tests.support.faulty_services import FaultyStore
from tests.support.quick_telemetry import quick_config

EVENTS = 100
_PATIENT_SECONDS = 100.0
"""Time for a busy machine to save the events, where Kafka answers; the product's own limit is a few seconds."""


def config_of(brokers: str, folder: Path, *, spool: bool, store: FaultyStore | None = None) -> AuditConfig:
    """Return the worker's configuration, with a local folder unless a store is given."""
    changes: dict[str, Any] = {"batch_timeout_ms": 100, "kafka_timeout_ms": 20_000}
    if spool:
        changes["spool_path"] = folder / "spool"
    if store is not None:
        changes["storage_config"] = store.config
    return quick_config(brokers, folder, **changes)


def _print_id(event_id: str) -> None:
    os.write(1, f"{event_id}\n".encode())


def _log(telemetry: BlockingTelemetry) -> None:
    for number in range(EVENTS):
        _print_id(telemetry.audit.log("step", {"n": number}, "ada").event_id)


async def _log_in_task(config: AuditConfig) -> None:
    telemetry = Telemetry(config)
    await telemetry.start()
    for number in range(EVENTS):
        _print_id((await telemetry.audit.log("step", {"n": number}, "ada")).event_id)


def _end(how: str) -> None:
    if how == "sys.exit":
        sys.exit(0)
    if how == "exception":
        message = "a bug of the application"
        raise RuntimeError(message)
    if how == "interrupt":
        _thread.interrupt_main()
        time.sleep(10)


def main(how: str, brokers: str, folder: Path) -> None:
    """Log, and end."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    stuck = how.startswith("stuck")
    if not stuck:
        runtime.EXIT_SECONDS = _PATIENT_SECONDS
    store = FaultyStore() if stuck else None
    config = config_of(brokers, folder, spool=how != "stuck without spool", store=store)
    if how == "event loop":
        asyncio.run(_log_in_task(config))
        return
    telemetry = BlockingTelemetry(config)
    telemetry.start()
    if store is not None:
        store.begin("hanging")
    if how == "thread":
        thread = threading.Thread(target=_log, args=(telemetry,))
        thread.start()
        return
    _log(telemetry)
    if how == "dropped":
        del telemetry
    _end(how)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))

"""Has gevent or eventlet replace threads after ``start()``, or before a topic is read; says on standard output what happened.

Arguments: broker, folder, ``log`` or ``read``, and how modules are replaced.
"""

from __future__ import annotations

import sys
from pathlib import Path

from telemetry.exceptions import ConfigurationError, LifecycleError
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig
from tests.support.quick_telemetry import quick_config
from tests.support.workers.green_worker import replace


def _log(config: AuditConfig, how: str) -> None:
    telemetry = Telemetry(config)
    telemetry.start()
    telemetry.audit.log("login", {}, user_id="ada").wait_delivered(60)
    replace(how)
    try:
        telemetry.audit.log("login", {}, user_id="ada")
    except ConfigurationError as exc:
        sys.stdout.write(f"refused: {exc}\n")
    try:
        sys.stdout.write(f"delivered {telemetry.shutdown(30).delivered}\n")
    except LifecycleError as exc:
        sys.stdout.write(f"not ended: {exc}\n")


def _read(config: AuditConfig, how: str) -> None:
    replace(how)
    try:
        KafkaSource(config).close()
    except ConfigurationError as exc:
        sys.stdout.write(f"refused: {exc}\n")


def main(brokers: str, folder: str, what: str, how: str) -> None:
    """Log, or read."""
    {"log": _log, "read": _read}[what](quick_config(brokers, Path(folder)), how)


if __name__ == "__main__":
    main(*sys.argv[1:])

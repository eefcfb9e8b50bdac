"""How fast a fallback folder comes back to a real broker over mutual TLS: ``python -m bench.replay``."""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from telemetry.audit.replay.once import replay_now
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, TelemetryConfig
from tests.services.fixtures import grant_common, new_topic
from tests.services.kafka import KafkaBroker

LEAST = 10_000
"""Events a second that must be reached."""
_NOWHERE = "127.0.0.1:9"
_USERS = 100


def fill(fields: dict[str, Any], events: int) -> None:
    """Log while no Kafka can be reached: everything is sealed and stored."""
    away = {"kafka_brokers": _NOWHERE, "security_protocol": "PLAINTEXT", "kafka_timeout_ms": 100, "max_retries": 0}
    body = {"order": "x" * 40, "items": [{"sku": f"sku-{n}", "count": n} for n in range(8)], "total": 12.5}
    with Telemetry(AuditConfig(**(fields | away))) as telemetry:
        for number in range(events):
            telemetry.audit.log("order_read", body, f"user-{number % _USERS}", session_id="sess-456")
        report = telemetry.shutdown(120)
    if report.stored != events:
        sys.exit(f"only {report.stored} of {events} events were stored")


def run(events: int, *, profiled: bool) -> float:
    """Return the events a second of a replay."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(KafkaBroker(folder / "kafka"))
        grant_common(broker)
        fields: dict[str, Any] = {
            "kafka_topic": new_topic(broker),
            "encryption_config": {"provider": "local_key", "key_path": folder / "key", "passphrase": "correct horse"},
            "storage_config": {"provider": "local_file", "base_path": folder / "fallback"},
        }
        fill(fields, events)
        size = sum(path.stat().st_size for path in (folder / "fallback").rglob("*.tobj"))
        config = AuditConfig(**(fields | broker.audit_options("SSL")))
        profile = cProfile.Profile()
        if profiled:
            profile.enable()
        began, worked = time.perf_counter(), time.process_time()
        report = replay_now(TelemetryConfig(audit_config=config))
        took, worked = time.perf_counter() - began, time.process_time() - worked
        profile.disable()
        if report.replayed != events:
            sys.exit(f"only {report.replayed} of {events} events were replayed")
    if profiled:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(25)
    print(
        f"{events:,} events, {size / events:.0f} B each: {took:.2f} s, {events / took:,.0f} events/s; "
        f"{worked / events * 1e6:.1f} us of CPU an event"
    )
    return events / took


def main() -> None:
    """Measure, print, and fail below the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    rate = run(given.events, profiled=given.profile)
    if rate < LEAST:
        sys.exit(f"slower than {LEAST:,} events/s")


if __name__ == "__main__":
    main()

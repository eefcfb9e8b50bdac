from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from telemetry.outbox.relay_counts import RelayTally
from telemetry.outbox.relay_metrics import RelayMetrics
from telemetry.outbox.rows import Backlog

_PROGRAM = """
import sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from prometheus_client import generate_latest

metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))

from telemetry.outbox import OutboxRelay, open_database

def shown():
    lines = generate_latest().decode().splitlines()
    return {line.split("{")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("audit_outbox")}

class Telemetry:
    audit = None

relay = OutboxRelay(Telemetry, sys.argv[1], table="telemetry_outbox")
relay._metrics.begin()
print(sorted(shown().items()))
relay._tally.leads(True); relay._tally.relayed(5); relay._tally.held(1)
print(sorted(shown().items()))
relay._metrics.end()
print(shown())
"""


def test_series_begin_with_zero_and_end(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", _PROGRAM, f"sqlite:///{tmp_path}/shop.db"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    names = [
        *(
            "audit_outbox_backlog_rows",
            "audit_outbox_failures_total",
            "audit_outbox_held_rows",
            "audit_outbox_held_total",
        ),
        *("audit_outbox_leader", "audit_outbox_oldest_age_seconds", "audit_outbox_relayed_total"),
    ]
    assert first == str([(name, 0.0) for name in names])
    changed = {"audit_outbox_leader": 1.0, "audit_outbox_relayed_total": 5.0, "audit_outbox_held_total": 1.0}
    assert second == str([(name, changed.get(name, 0.0)) for name in names])
    assert third == "{}"


def test_tally_that_is_gone_is_not_read() -> None:
    tally = RelayTally()
    tally.observed(Backlog(waiting=3, held=1, oldest_age_seconds=2.5))
    found = RelayMetrics(tally, table="gone")
    found.begin()

    assert (tally.snapshot().waiting, tally.snapshot().held_rows) == (3, 1)
    found.end()
    found.end()

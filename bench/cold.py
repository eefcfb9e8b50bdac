"""What a process pays before its first event, and what it keeps in memory when it logs nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.sender import Result
from bench.setup import audit_config
from bench.spec import Spec
from telemetry.sync import Telemetry

_IMPORT = "import time; began = time.perf_counter(); import {}; print((time.perf_counter() - began) * 1e3)"


def import_telemetry(_spec: Spec) -> Result:
    """``import telemetry`` in a fresh interpreter, files cached."""
    return _import("telemetry")


def import_in_use(_spec: Spec) -> Result:
    """All that the first ``Telemetry(...)`` loads: names of the package are looked up on first use."""
    return _import("telemetry.audit.runtime")


def import_confluent_kafka(_spec: Spec) -> Result:
    """For comparison: the Kafka client alone."""
    return _import("confluent_kafka")


def _import(module: str) -> Result:
    command = [sys.executable, "-c", _IMPORT.format(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"ms": float(done.stdout)}


def start(spec: Spec) -> Result:
    """``start()`` with a passphrase-protected key file (600,000 rounds of PBKDF2) and Kafka over mutual TLS."""
    telemetry = Telemetry(audit_config(spec))
    before, began = _resident_mib(), time.perf_counter()
    telemetry.start()
    took = (time.perf_counter() - began) * 1e3
    telemetry.audit.log("warm_up", {}, "nobody", wait_for="delivered")
    found = {"ms": took, "resident_mib": _resident_mib(), "growth_mib": _resident_mib() - before}
    telemetry.shutdown()
    return found


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4 / 1024


CONTENDERS: dict[str, Callable[[Spec], Result]] = {
    "import_telemetry": import_telemetry,
    "import_in_use": import_in_use,
    "import_confluent_kafka": import_confluent_kafka,
    "start": start,
}

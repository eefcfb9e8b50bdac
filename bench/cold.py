"""Measures what a process pays before its first event, and what it keeps in memory when it logs nothing."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.sender import Result
from bench.setup import audit_config
from bench.spec import Spec
from telemetry.sync import Telemetry

_IMPORT = "import time; began = time.perf_counter(); {}; print((time.perf_counter() - began) * 1e3)"


def bare_python(_spec: Spec) -> Result:
    """For comparison: an interpreter that does nothing."""
    return {"cpu_ms": _cpu_ms("-c", "pass")}


def import_pydantic(_spec: Spec) -> Result:
    """For comparison: the library that checks the configuration, with one model."""
    return _import("import pydantic; type('Model', (pydantic.BaseModel,), {})")


def import_confluent_kafka(_spec: Spec) -> Result:
    """For comparison: the Kafka client alone."""
    return _import("import confluent_kafka")


def import_telemetry(_spec: Spec) -> Result:
    """``import telemetry`` in a fresh interpreter, files cached."""
    return _import("import telemetry")


def import_class(_spec: Spec) -> Result:
    """The name that an application imports at its top."""
    return _import("from telemetry import Telemetry")


def import_configuration(_spec: Spec) -> Result:
    """Class and configuration: what a settings module imports."""
    return _import("from telemetry import Telemetry, TelemetryConfig; from telemetry.types import AuditConfig")


def import_in_use(_spec: Spec) -> Result:
    """All that the first ``Telemetry(...)`` loads: names of the package are looked up on first use."""
    return _import("import telemetry.audit.runtime")


def command_version(_spec: Spec) -> Result:
    """``telemetry --version``."""
    return {"cpu_ms": _cpu_ms("-m", "telemetry", "--version")}


def command_help(_spec: Spec) -> Result:
    """``telemetry --help``."""
    return {"cpu_ms": _cpu_ms("-m", "telemetry", "--help")}


def command_keys_help(_spec: Spec) -> Result:
    """``telemetry keys --help``."""
    return {"cpu_ms": _cpu_ms("-m", "telemetry", "keys", "--help")}


def _import(statement: str) -> Result:
    command = [sys.executable, "-c", _IMPORT.format(statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {"ms": float(done.stdout), "cpu_ms": _cpu_ms("-c", statement)}


def _cpu_ms(*words: str) -> float:
    """Return the processor time of a whole interpreter, which a busy machine changes less than the time it takes."""
    before = _child_seconds()
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
    return (_child_seconds() - before) * 1e3


def _child_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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
    "bare_python": bare_python,
    "import_pydantic": import_pydantic,
    "import_confluent_kafka": import_confluent_kafka,
    "import_telemetry": import_telemetry,
    "import_class": import_class,
    "import_configuration": import_configuration,
    "import_in_use": import_in_use,
    "command_version": command_version,
    "command_help": command_help,
    "command_keys_help": command_keys_help,
    "start": start,
}

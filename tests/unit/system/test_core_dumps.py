"""Core dumps that are off stay off: in the process, in what it forks, and in the relay that it executes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.system.core_dumps import are_core_dumps_disabled

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the state of a process is asked for with prctl(2)")

IN_A_PROCESS = """
import os, resource
from telemetry.system.core_dumps import are_core_dumps_disabled, disable_core_dumps

print(are_core_dumps_disabled())
disable_core_dumps()
disable_core_dumps()
print(are_core_dumps_disabled(), resource.getrlimit(resource.RLIMIT_CORE), flush=True)
child = os.fork()
if not child:
    print(are_core_dumps_disabled(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
IN_A_RELAY = """
from telemetry.exceptions import StorageError
from telemetry.system.core_dumps import are_core_dumps_disabled, disable_core_dumps
from telemetry.system.fork_relay import Relay

class Config:
    timeout_ms, max_retries = 10_000, 0
    def handed_over(self): return {}

class Provider:
    def __init__(self, config): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def ask(self): return are_core_dumps_disabled()

def main():
    for _ in range(2):
        relay = Relay(Provider, Config(), lost=StorageError)
        print(relay.call("ask"), flush=True)
        relay.close()
        disable_core_dumps()
"""
AT_START = """
from pathlib import Path
from telemetry.sync import Telemetry
from telemetry.system.core_dumps import are_core_dumps_disabled
from telemetry.types import AuditConfig

config = AuditConfig(kafka_brokers="127.0.0.1:9", security_protocol="PLAINTEXT", encryption_enabled=False,
    storage_config={"provider": "local_file", "base_path": "store"}, disable_core_dumps=True)
with Telemetry(config):
    print(are_core_dumps_disabled())
"""


AT_A_READ = """
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.system.core_dumps import are_core_dumps_disabled
from telemetry.trail.read_event import Access, record_access

audit = AuditConfig(kafka_brokers="127.0.0.1:9", encryption_enabled=False, fallback_enabled=False, read_audit="off",
    disable_core_dumps=True)
record_access(TelemetryConfig(audit_config=audit), Access(), sources=[], filters={})
print(are_core_dumps_disabled())
"""


def _run(code: str, folder: Path) -> list[str]:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_process_and_its_children_write_none(tmp_path: Path) -> None:
    assert _run(IN_A_PROCESS, tmp_path) == ["False", "True (0, 0)", "True"]


def test_relay_writes_none_either(tmp_path: Path) -> None:
    (tmp_path / "dumps.py").write_text(IN_A_RELAY)

    assert _run("import dumps; dumps.main()", tmp_path) == ["False", "True"]


def test_start_switches_them_off(tmp_path: Path) -> None:
    assert _run(AT_START, tmp_path) == ["True"]


def test_reading_switches_them_off(tmp_path: Path) -> None:
    assert _run(AT_A_READ, tmp_path) == ["True"]


def test_this_process_is_left_alone() -> None:
    assert not are_core_dumps_disabled()

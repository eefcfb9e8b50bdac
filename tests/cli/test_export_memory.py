"""An export sorts any number of events in bounded memory.

``EXPORT_EVENTS=1000000`` measures what docs/export.md says; the suite runs with fewer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.format.value.message import source_of
from telemetry.reader import Place, RawRecord
from telemetry.reader.sources.lines import write_line

_EVENTS = int(os.environ.get("EXPORT_EVENTS", "60000"))
_MOST = 256 << 20
_PRODUCER = "0198c0de-0000-7000-8000-000000000001"
_MEASURED = """
import re, sys
from telemetry.cli import main
try:
    main()
finally:
    # Not ru_maxrss: that begins with what the process had that started this one.
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""


def _write_copy(path: Path) -> None:
    """Write a copy with the events of one process, the latest first."""
    source = source_of("production", "payments")
    factory = EventFactory(service_name="payments", environment="production", version="", max_event_bytes=1 << 20)
    encoder = ClearEncoder(source=source)
    with path.open("wb") as file:
        for number in range(_EVENTS):
            draft = factory.draft("work", {"number": number, "text": "x" * 600}, f"user-{number % 1_000}", {})
            value = encoder.seal(draft, _PRODUCER, number).value
            file.write(write_line(RawRecord(draft.key, value, Place("audit-events", 0, number), 1.5)))


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is measured as Linux counts it, in KB")
def test_sorting_needs_bounded_memory(tmp_path: Path) -> None:
    _write_copy(tmp_path / "copy.jsonl")
    config = tmp_path / "telemetry.toml"
    config.write_text(
        '[audit_config]\nkafka_brokers = "127.0.0.1:1"\nsecurity_protocol = "PLAINTEXT"\n'
        'encryption_enabled = false\nread_audit = "off"\n'
    )
    command = [
        "export",
        "-c",
        str(config),
        "--file",
        str(tmp_path / "copy.jsonl"),
        "-o",
        str(tmp_path / "out"),
        "--json",
    ]

    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, *command], capture_output=True, text=True, timeout=3_000, check=False
    )

    assert done.returncode == 0, done.stderr
    said = next(json.loads(line) for line in done.stderr.splitlines() if line.startswith('{"read"'))
    assert said["read"]["written"] == _EVENTS
    assert int(done.stderr.splitlines()[-1]) << 10 < _MOST

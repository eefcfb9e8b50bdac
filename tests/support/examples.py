"""Runs the programs of examples/ as processes, with and without audit."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, AuditEvent, TelemetryConfig

EXAMPLES = Path(__file__).parents[2] / "examples"


def added_lines(example: str) -> list[str]:
    """Return the lines that a program with audit has more than the one without; blank ones do not count."""
    plain, audited = (
        (EXAMPLES / example / name).read_text("utf-8").splitlines() for name in ("app_plain.py", "app.py")
    )
    return [line[2:] for line in difflib.ndiff(plain, audited) if line.startswith("+ ") and line[2:].strip()]


@dataclass(frozen=True)
class ExampleRun:
    """What a program did.

    Attributes:
        output: What it printed.
        errors: What it printed on standard error.
        events: What it logged, in the order of the topic.
    """

    output: str
    errors: str
    events: list[AuditEvent]


def run_example(program: str, *, folder: Path) -> ExampleRun:
    """Run a program to its end, against brokers of its own.

    Args:
        program: Its path in examples/.
        folder: Where it runs.
    """
    with EmbeddedKafka() as kafka:
        variables = {
            "TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS": kafka.bootstrap_servers,
            "TELEMETRY_AUDIT_CONFIG__SECURITY_PROTOCOL": "PLAINTEXT",
            "TELEMETRY_AUDIT_CONFIG__ENCRYPTION_ENABLED": "false",
            "TELEMETRY_AUDIT_CONFIG__FALLBACK_ENABLED": "false",
        }
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / program)],
            cwd=folder,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=250,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return ExampleRun(done.stdout, done.stderr, _events(kafka))


def _events(kafka: EmbeddedKafka) -> list[AuditEvent]:
    config = TelemetryConfig(
        audit_config=AuditConfig(
            kafka_brokers=kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            encryption_enabled=False,
            fallback_enabled=False,
        )
    )
    with KafkaSource(config.audit_config) as source:
        return [entry.event for entry in TrailReader(source, provider=None) if isinstance(entry, OpenedEvent)]

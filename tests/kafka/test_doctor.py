"""Runs ``telemetry doctor`` on a real broker: its checks, their order, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.spool.segment import SpoolSegment
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker, Protocol
from tests.support.leftovers import left_in

pytestmark = pytest.mark.services

_PASSPHRASE = "canary-doctor-passphrase"
_ALL = [
    "configuration",
    "secrets",
    "core_dumps",
    "key",
    "kafka.connection",
    "kafka.login",
    "kafka.topic",
    "kafka.permission",
    "kafka.replication",
    "kafka.size",
    "kafka.settings",
    "store",
    "store.backlog",
    "spool",
    "spool.segments",
    "disk.spool",
    "disk.store",
    "clock",
]


class Doctor:
    """Runs the command with a configuration of its own."""

    def __init__(
        self, broker: KafkaBroker, topic: str, folder: Path, *, protocol: Protocol = "SSL", **client: Any
    ) -> None:
        self.folder = folder
        kafka = broker.audit_options(protocol, **client)
        self._values: dict[str, str] = {"audit_config.kafka_topic": topic}
        self._values |= {f"audit_config.{name}": str(kafka[name]) for name in ("kafka_brokers", "security_protocol")}
        self._values |= {
            f"audit_config.kafka_config.{name}": str(value) for name, value in kafka.get("kafka_config", {}).items()
        }
        self._values |= {
            "audit_config.encryption_config.provider": "local_key",
            "audit_config.encryption_config.key_path": str(folder / "key"),
            "audit_config.encryption_config.passphrase": _PASSPHRASE,
            "audit_config.storage_config.provider": "local_file",
            "audit_config.storage_config.base_path": str(folder / "fallback"),
            "audit_config.spool_path": str(folder / "spool"),
        }

    def run(self, *arguments: str, **changes: str) -> tuple[int, str]:
        values = {**self._values, **{f"audit_config.{name.replace('__', '.')}": text for name, text in changes.items()}}
        names = {f"TELEMETRY_{name.upper().replace('.', '__')}": text for name, text in values.items()}
        done = subprocess.run(
            [sys.executable, "-m", "telemetry", "doctor", *arguments],
            env={**os.environ, **names},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert _PASSPHRASE not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    def report(self, **changes: str) -> tuple[int, dict[str, dict[str, str]]]:
        code, out = self.run("--json", **changes)
        report = json.loads(out)
        assert report["exit_code"] == code
        assert report["ok"] == (code == 0)
        return code, {result["check"]: result for result in report["checks"]}


def test_every_check_runs_and_topic_stays_empty(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    kafka.add_acl("payments", topic, ["DESCRIBE_CONFIGS"])
    doctor = Doctor(kafka, topic, tmp_path)

    code, checks = doctor.report()

    assert code == 0
    assert [*checks] == _ALL
    # The broker of the tests has one replica only, and its topics have Kafka's default settings. No core dump was asked about.
    unsure = {name for name, result in checks.items() if result["status"] != "ok"}
    assert unsure == {"core_dumps", "kafka.replication", "kafka.settings"}
    assert all(checks[name]["remedy"] for name in unsure)
    assert kafka.read(topic) == []
    assert left_in(tmp_path / "spool") == []


def test_printed_report_names_check_and_remedy(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    code, out = Doctor(kafka, topic, tmp_path, client=None).run()

    assert code == 6
    assert "kafka.connection" in out
    assert "-> set ssl_certificate_location and ssl_key_location" in out
    assert "1 failed" in out


@pytest.mark.parametrize(
    ("changes", "check", "code"),
    [
        ({"kafka_brokers": "nonsense"}, "configuration", 2),
        ({"encryption_config__passphrase": "another-passphrase"}, "key", 5),
        ({"kafka_brokers": "127.0.0.1:9"}, "kafka.connection", 6),
        ({"kafka_topic": "absent"}, "kafka.topic", 6),
        ({"storage_config__base_path": "/proc/none"}, "store", 6),
        ({"spool_path": "/proc/none"}, "spool", 1),
    ],
    ids=["configuration", "key", "connection", "topic", "store", "spool"],
)
def test_exit_code_names_first_failure(
    changes: dict[str, str], check: str, code: int, kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    doctor = Doctor(kafka, topic, tmp_path)
    assert doctor.report()[0] == 0

    ended, checks = doctor.report(**changes)

    assert ended == code
    assert checks[check]["status"] == "failed"


def test_wrong_password_is_named(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    doctor = Doctor(kafka, topic, tmp_path, protocol="SASL_SSL", mechanism="SCRAM-SHA-512")
    assert doctor.report()[0] == 0

    code, checks = doctor.report(kafka_config__password="a-wrong-secret")

    assert code == 6
    assert checks["kafka.login"]["kind"] == "wrong_password"
    assert "kafka.topic" not in checks


def test_segment_of_dead_process_is_reported(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    doctor = Doctor(kafka, topic, tmp_path)
    (tmp_path / "spool").mkdir(mode=0o700)
    segment = SpoolSegment.create(tmp_path / "spool", producer="p", topic=topic, source="/test/x")
    assert doctor.report()[1]["spool.segments"]["message"].startswith("1 running processes, 0 segments")

    segment.close()

    segments = doctor.report()[1]["spool.segments"]
    assert segments["status"] == "warning"
    assert "1 segments of processes that ended" in segments["message"]


def test_frozen_broker_differs_from_dead_one(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    doctor = Doctor(broker, new_topic(broker), tmp_path)

    broker.freeze()
    code, out = doctor.run("--json", "--timeout", "1")
    broker.kill()
    dead_code, dead = doctor.report()

    assert (code, dead_code) == (6, 6)
    assert {result["check"]: result["kind"] for result in json.loads(out)["checks"]}[
        "kafka.connection"
    ] == "unresponsive"
    assert dead["kafka.connection"]["kind"] == "unreachable"

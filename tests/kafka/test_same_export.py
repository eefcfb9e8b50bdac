"""Two exports of one range of a real topic are the same, byte for byte, whatever was logged and read in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from tests.services.broker_rights import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.in_process import run

pytestmark = pytest.mark.services

EVENTS = 600


class _Trail:
    """Events of two processes on five partitions, signed; each read of them is recorded."""

    def __init__(self, kafka: KafkaBroker, folder: Path) -> None:
        self._folder = folder
        self.topic = new_topic(kafka, partitions=5)
        self._key = SigningKey.create(folder / "signing", "correct horse", name="audit")
        self._audit = kafka.audit_options("PLAINTEXT") | {"kafka_topic": self.topic, "fallback_enabled": False}
        self._tables: dict[str, dict[str, Any]] = {
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(folder / "key"),
                "passphrase": "correct horse",
            },
            "signing_config": {"key_path": str(folder / "signing"), "passphrase": "correct horse", "every_events": 50},
        }
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in self._audit.items())]
        for name, table in self._tables.items():
            lines += [f"[audit_config.{name}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        self._file = folder / "telemetry.toml"
        self._file.write_text("\n".join(lines))

    def log(self, count: int) -> None:
        with Telemetry(AuditConfig.model_validate({**self._audit, **self._tables})) as telemetry:
            for number in range(count):
                telemetry.audit.log("work", {"number": number}, f"user-{number % 50}")

    def export(self, name: str, *options: str) -> tuple[bytes, dict[str, Any]]:
        """Return what is written, and what is said at the end."""
        out = self._folder / name
        trusted = () if "--sealed" in options else ("--public-key", self._key.public_key)
        ended = run("export", "-c", str(self._file), "-o", str(out), "--force", "--json", *trusted, *options)
        assert ended.code == 0, ended.err
        said = next(json.loads(line) for line in ended.err.splitlines() if line.startswith('{"read"'))
        return out.read_bytes(), said["read"]


@pytest.fixture(scope="module")
def trail(kafka: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> _Trail:
    trail = _Trail(kafka, tmp_path_factory.mktemp("trail"))
    trail.log(EVENTS // 2)
    trail.log(EVENTS // 2)
    return trail


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "jsonl"),
        ("--format", "csv"),
        ("--format", "parquet"),
        ("--sort", "arrival"),
        ("--sort", "occurred", "--schema", "ocsf"),
        ("--sealed",),
    ],
    ids=" ".join,
)
def test_second_export_is_the_same(trail: _Trail, options: tuple[str, ...]) -> None:
    first, said = trail.export("first", *options)
    trail.log(20)
    second, again = trail.export("second", *options, "--end", said["end"])
    later, _ = trail.export("later", *options)

    assert said["end"].startswith(f"{trail.topic}:0=")
    assert said == again
    assert len(first) > EVENTS * 10
    assert first == second
    assert first != later


def test_events_come_in_the_order_of_their_times(trail: _Trail) -> None:
    content, said = trail.export("sorted")
    times = [json.loads(line)["time"] for line in content.splitlines()]

    assert said["order"] == "time"
    assert len(times) >= EVENTS
    assert times == sorted(times)


def test_copy_gives_the_same_events(trail: _Trail) -> None:
    _, said = trail.export("evidence.jsonl", "--sealed")
    copied, _ = trail.export("copied", "--file", str(trail._folder / "evidence.jsonl"))
    direct, _ = trail.export("direct", "--end", said["end"])

    assert copied == direct

"""Writes sealed and signed events to a topic of a real broker, and runs the commands that an auditor runs on it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig
from tests.services.kafka import KafkaBroker
from tests.support.in_process import Ended, run
from tests.support.kafka_configs import PATIENT


class BrokerTrail:
    """One service's trail on a topic, its keys, and the configuration file of its auditor.

    Args:
        broker: The broker.
        topic: An empty topic.
        folder: Place of the keys and of the configuration file.

    Attributes:
        file: The configuration file.
    """

    def __init__(self, broker: KafkaBroker, topic: str, folder: Path) -> None:
        self.broker = broker
        self.topic = topic
        self.file = folder / "telemetry.toml"
        self._folder = folder
        self._signing = SigningKey.create(folder / "signing", "correct horse", name="payments")
        self._write_file()

    @property
    def public_key(self) -> str:
        """The key that signs the trail's checkpoints."""
        return self._signing.public_key

    def log(self, event_types: Iterable[str]) -> None:
        """Log events as one process of the service, from its start to its shutdown."""
        fields = self._fields() | {"signing_config": self._secret_file("signing")}
        with Telemetry(AuditConfig(**fields)) as telemetry:
            for event_type in event_types:
                # One by one, so that each event is a batch of its own, and the closing checkpoint too.
                telemetry.audit.log(event_type, {"amount": 1}, "alice", wait_for="delivered")

    def tail(self) -> tuple[int, list[str]]:
        """Return the exit code of ``tail``, and the type of each event that it shows."""
        ended = self.run("tail", "--json")
        return ended.code, [json.loads(line)["event_type"] for line in ended.out.splitlines()]

    def verify(self) -> tuple[int, dict[str, Any]]:
        """Return the exit code of ``verify``, and its report."""
        ended = self.run("verify", "--public-key", self.public_key, "--json")
        assert ended.out, ended.err
        return ended.code, json.loads(ended.out)

    def run(self, command: str, *options: str) -> Ended:
        """Run a command with the auditor's configuration."""
        return run(command, "-c", str(self.file), *options)

    def _fields(self) -> dict[str, Any]:
        return {
            **self.broker.audit_options("PLAINTEXT"),
            **PATIENT,
            "kafka_topic": self.topic,
            "fallback_enabled": False,
            "read_audit": "off",
            "encryption_config": {"provider": "local_key", **self._secret_file("key")},
        }

    def _secret_file(self, name: str) -> dict[str, str]:
        return {"key_path": str(self._folder / name), "passphrase": "correct horse"}

    def _write_file(self) -> None:
        fields = self._fields()
        tables = {name: fields.pop(name) for name in list(fields) if isinstance(fields[name], dict)}
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in fields.items())]
        for name, table in tables.items():
            lines += [f"[audit_config.{name}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        self.file.write_text("\n".join(lines))
        self.file.chmod(0o600)

"""Writes the trail that the browser tests explore: keys, configuration, trust file, four weeks of events, two readers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from telemetry.encryption.signing_key import SigningKey
from tests.services.kafka import KafkaBroker
from tests.support.in_process import run

EVENTS = 10_000
PASSPHRASE = "correct horse battery staple"
STORAGE_SECRET = "the secret of the objects in the store"
_WORKER = Path(__file__).parent / "workers" / "story_worker.py"
_WRITE_SECONDS = 200.0


class ExplorerTrail:
    """A trail on a real topic, and the folder with what its readers need.

    Args:
        kafka: The broker.
        topic: A topic that is empty.
        folder: An empty folder.
        events: How many events the services of the shop log.
    """

    def __init__(self, kafka: KafkaBroker, topic: str, folder: Path, *, events: int = EVENTS) -> None:
        self.brokers = kafka.bootstrap("PLAINTEXT")
        self.topic = topic
        self.folder = folder
        self.configuration = folder / "telemetry.toml"
        self.trust = folder / "trust.toml"
        self.auditor_key = folder / "auditor.key"
        self.ids: dict[str, str] = {}
        self._events = events
        self._key_of_services = ""

    def write(self) -> None:
        """Write everything; a minute is more than enough."""
        self._key_of_services = self._create_key("services")
        reader, auditor = self._create_key("reader"), self._create_key("auditor")
        self._write_trust(reader, auditor)
        self._write_configuration()
        # The first process of all creates the key of the events.
        self._write_parts("hostile")
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(self._write_parts, ("regular", "troubled")))
        self._read("internal audit", "quarterly review")
        self._read("carol", "ticket 4711")

    def _create_key(self, name: str) -> str:
        return SigningKey.create(self.folder / f"{name}.key", PASSPHRASE, name=name).public_key

    def _write_parts(self, *parts: str) -> None:
        plan = {
            "brokers": self.brokers,
            "topic": self.topic,
            "end": int(datetime.now(UTC).timestamp()) - 60,
            "events": self._events,
            "encryption": self._encryption(),
            "signing": {"key_path": str(self.folder / "services.key"), "passphrase": PASSPHRASE},
            "fallback": str(self.folder / "fallback"),
            "storage_secret": STORAGE_SECRET,
            "parts": parts,
        }
        variables = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, str(_WORKER), json.dumps(plan)],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WRITE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4_000:]
        self.ids |= json.loads(done.stdout)

    def _encryption(self) -> dict[str, Any]:
        return {"provider": "local_key", "key_path": str(self.folder / "events.key"), "passphrase": PASSPHRASE}

    def _write_trust(self, reader: str, auditor: str) -> None:
        keys = (
            (self._key_of_services, "service", "/production/*"),
            (reader, "reader", "/production/*"),
            (auditor, "auditor", None),
        )
        lines = ["version = 1"]
        for public, role, source in keys:
            lines += ["[[key]]", f"public = {json.dumps(public)}", f"roles = [{json.dumps(role)}]"]
            lines += [f"sources = [{json.dumps(source)}]"] if source else []
        self.trust.write_text("\n".join(lines) + "\n")
        self.trust.chmod(0o600)

    def _write_configuration(self) -> None:
        audit = {
            "kafka_brokers": self.brokers,
            "kafka_topic": self.topic,
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 60_000,
            "read_audit": "required",
            "storage_secret": STORAGE_SECRET,
        }
        tables: dict[str, dict[str, Any]] = {
            "audit_config": audit,
            "audit_config.encryption_config": self._encryption(),
            "audit_config.storage_config": {"provider": "local_file", "base_path": str(self.folder / "fallback")},
            "audit_config.signing_config": {"key_path": str(self.folder / "reader.key"), "passphrase": PASSPHRASE},
            "explorer_config.evidence_signing": {"key_path": str(self.auditor_key), "passphrase": PASSPHRASE},
        }
        lines = ['service_name = "audit-office"', 'environment = "production"']
        for name, table in tables.items():
            lines += [f"[{name}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        self.configuration.write_text("\n".join(lines) + "\n")
        self.configuration.chmod(0o600)

    def _read(self, reader: str, reason: str) -> None:
        ended = run("tail", "-c", str(self.configuration), "--last", "1", "--as", reader, "--reason", reason)
        assert ended.code == 0, ended.err

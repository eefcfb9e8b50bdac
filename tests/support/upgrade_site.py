"""Runs processes and commands of an earlier release and of this one on one configuration."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.reader import DamagedRecord, KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from tests.support.raw_records import raw_records
from tests.support.until import until

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "workers" / "upgrade_worker.py"
_PASSPHRASE = "correct horse battery staple"
_PATIENCE = 240.0
_IMPATIENT = {"kafka_timeout_ms": 2_000, "max_retries": 1}
"""A process that logs notices an outage soon; a reader has time."""


def source_of_commit(commit: str, folder: Path) -> Path:
    """Unpack the source of a commit below a folder; return the path from which it is imported."""
    archive = subprocess.run(["git", "archive", commit, "src"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as opened:
        opened.extractall(folder, filter="data")
    return folder / "src"


class Logger:
    """A process that logs, and the ids of its durable events.

    Args:
        command: Its command line.
        environment: Its environment.
        log: File to which its log lines are added.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._output = log.with_suffix(f".{os.urandom(4).hex()}")
        self._log = log
        with self._output.open("wb") as out, log.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        self._wait_for(1)

    @property
    def lines(self) -> list[str]:
        """Whole lines so far; the first one says that it has started."""
        text = self._output.read_text()
        return text[: text.rfind("\n") + 1].splitlines()

    @property
    def durable(self) -> set[str]:
        """Ids of the events that are durable."""
        return set(self.lines[1:])

    def log_more(self, count: int) -> None:
        """Wait until so many more events are durable."""
        self._wait_for(len(self.lines) + count)

    def kill(self) -> set[str]:
        """Kill it at once; return the ids of its durable events."""
        self.process.kill()
        self.process.wait(_PATIENCE)
        return self.durable

    def end(self) -> set[str]:
        """Have it shut down; return the ids of its events."""
        self.process.terminate()
        assert self.process.wait(_PATIENCE) == 0, self._log.read_text()[-4_000:]
        return self.durable

    def _wait_for(self, count: int) -> None:
        until(
            lambda: len(self.lines) >= count or self.process.poll() is not None,
            timeout=_PATIENCE,
            what=f"{count} lines",
            state=lambda: self._log.read_text()[-4_000:],
        )
        assert self.process.poll() is None, self._log.read_text()[-4_000:]


class UpgradeSite:
    """The service ``shop`` with keys, spool, store and an embedded Kafka, for processes of two releases.

    Args:
        kafka: A Kafka with the topic ``audit-events``.
        folder: Folder of everything else.
        former: Path from which the earlier release is imported.
    """

    def __init__(self, kafka: EmbeddedKafka, folder: Path, former: Path) -> None:
        self.kafka = kafka
        self.folder = folder
        self.log = folder / "log"
        self._former = former
        self._loggers: list[Logger] = []
        self.public_key = SigningKey.create(folder / "signing", _PASSPHRASE, name="shop").public_key
        self.spool, self.store = folder / "spool", folder / "fallback"

    def close(self) -> None:
        """Kill what still runs."""
        for logger in self._loggers:
            if logger.process.poll() is None:
                logger.kill()

    def start(self, *, users: int = 5, is_former: bool = False, **audit: Any) -> Logger:
        """Start a process that logs for so many users."""
        command = [sys.executable, str(WORKER), str(self._write_file({**_IMPATIENT, **audit})), str(users)]
        logger = Logger(command, self._environment(is_former=is_former), self.log)
        self._loggers.append(logger)
        return logger

    def verify(self, *options: str, is_former: bool = False) -> tuple[int, dict[str, Any]]:
        """Verify the trail with one of the releases; return exit code and report."""
        command = [sys.executable, "-m", "telemetry", "verify", "--json", "-c", str(self._write_file({}))]
        done = subprocess.run(
            [*command, "--public-key", self.public_key, *options],
            env=self._environment(is_former=is_former),
            capture_output=True,
            check=False,
            timeout=_PATIENCE,
        )
        assert done.stdout, done.stderr.decode()
        return done.returncode, json.loads(done.stdout)

    def waiting(self) -> list[str]:
        """Return the objects that wait, of either release."""
        found = [Path(folder, name) for folder, _, names in os.walk(self.store) for name in names]
        return sorted(str(path.relative_to(self.store)) for path in found if path.suffix in {".tobj", ".jsonl"})

    def events(self) -> list[OpenedEvent]:
        """Open the topic, in its order within each partition; fail if a record is damaged, or in conflict with another one."""
        config = TelemetryConfig.load(self._write_file({})).audit_config
        assert config.encryption_config is not None
        with EncryptionProviderFactory.create(config.encryption_config) as provider, KafkaSource(config) as source:
            entries = list(TrailReader(raw_records(source), provider=provider))
        bad = [entry for entry in entries if isinstance(entry, DamagedRecord)]
        assert bad == []
        return [entry for entry in entries if isinstance(entry, OpenedEvent)]

    def require_all(self, durable: set[str]) -> None:
        """Fail unless each event is on the topic and each producer's events of a user are in order."""
        events = self.events()
        assert durable <= {entry.event.id for entry in events}
        numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
        for entry in events:
            if entry.event.event_type == "step":
                numbers[entry.event.producer, entry.event.user_id].append(entry.event.payload["number"])
        assert numbers
        assert {key: found for key, found in numbers.items() if found != list(range(len(found)))} == {}

    def _environment(self, *, is_former: bool) -> dict[str, str]:
        source = self._former if is_former else ROOT / "src"
        return {**os.environ, "PYTHONPATH": str(source)}

    def _write_file(self, audit: dict[str, Any]) -> Path:
        fields = {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "read_audit": "off",
            "spool_path": str(self.spool),
            "fallback_object_seconds": 0.3,
            **audit,
        }
        tables: dict[str, dict[str, Any]] = {
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(self.folder / "key"),
                "passphrase": _PASSPHRASE,
            },
            "storage_config": {"provider": "local_file", "base_path": str(self.store)},
            "signing_config": {"key_path": str(self.folder / "signing"), "passphrase": _PASSPHRASE, "every_events": 50},
        }
        lines = ['service_name = "shop"', "[audit_config]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
        for table, values in tables.items():
            lines.append(f"[audit_config.{table}]")
            lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
        file = self.folder / f"telemetry-{len(audit)}.toml"
        file.write_text("\n".join(lines))
        file.chmod(0o600)
        return file

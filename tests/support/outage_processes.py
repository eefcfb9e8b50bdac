"""Runs processes that log and replay through an outage of a real broker, and reads what is on the topic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Message

from telemetry.config import StorageConfig
from telemetry.storage import StorageProviderFactory
from telemetry.types import AuditConfig
from tests.services.kafka import KafkaBroker

_ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "workers" / "outage_worker.py"
USERS = 100


class Worker:
    """A process, and the lines that it has printed."""

    def __init__(self, work: str, fields: dict[str, Any], *, rate: float = 600.0, lease: float = 30.0) -> None:
        settings = json.dumps({"users": USERS, "rate": rate, "lease": lease})
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), work, json.dumps(fields), settings],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])},
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        pairs = ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        self._readers = [threading.Thread(target=_read, args=pair, daemon=True) for pair in pairs]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = 300.0) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return code


def _read(stream: Iterator[str], lines: list[str]) -> None:
    # A line without its end was torn by the kill: it says nothing.
    lines.extend(line.rstrip("\n") for line in stream if line.endswith("\n"))


def fields_for(broker: KafkaBroker, topic: str, storage: StorageConfig, **changes: Any) -> dict[str, Any]:
    """Return a configuration for a worker, over mutual TLS, as JSON can hold it."""
    fields = {
        **broker.audit_options("SSL"),
        "kafka_topic": topic,
        "kafka_timeout_ms": 2_000,
        "max_retries": 1,
        "batch_timeout_ms": 10,
        "encryption_enabled": False,
        "fallback_object_seconds": 0.3,
        "storage_config": plain(storage),
        **changes,
    }
    loaded: dict[str, Any] = json.loads(json.dumps(fields, default=str))
    return loaded


def plain(config: StorageConfig) -> dict[str, Any]:
    """Return a store's configuration with its secrets, for a process of the test's own."""
    shown = config.model_dump(mode="json", exclude_none=True)
    for name in shown:
        secret = getattr(config, name)
        if hasattr(secret, "get_secret_value"):
            shown[name] = secret.get_secret_value()
    return shown


def waiting(fields: dict[str, Any]) -> list[str]:
    """Return the names of the objects that wait for replay."""
    config = AuditConfig(**fields)
    assert config.storage_config is not None
    with StorageProviderFactory.create(config.storage_config) as store:
        return [found.name for found in store.list(f"{config.kafka_topic}/")]


class Topic:
    """The events of a topic, and which of them were replayed."""

    def __init__(self, broker: KafkaBroker, topic: str) -> None:
        self.ids: set[str] = set()
        self.replayed: list[str] = []
        self.records = 0
        self._order: dict[tuple[str, bytes], list[int]] = defaultdict(list)
        self._sequences: dict[str, set[int]] = defaultdict(set)
        for message in broker.read(topic):
            self._add(message)

    def _add(self, message: Message) -> None:
        value = json.loads(message.value() or b"{}")
        self.records += 1
        if dict(message.headers() or ()).get("telemetry-replay"):
            self.replayed.append(value["id"])
        if value["id"] in self.ids:
            return
        self.ids.add(value["id"])
        self._order[value["producer"], message.key() or b""].append(value["sequence"])
        self._sequences[value["producer"]].add(value["sequence"])

    @property
    def duplicates(self) -> int:
        """How many records were replayed more than once."""
        return len(self.replayed) - len(set(self.replayed))

    def print_numbers(self, durable: int) -> None:
        """Write the numbers to standard error."""
        sys.stderr.write(
            f"{durable} durable events; on the topic {len(self.ids)} events in {self.records} records, "
            f"{len(self.replayed)} of them replayed, {self.duplicates} of these twice\n"
        )

    def require_order(self, *, users: int = USERS) -> None:
        """Fail unless each user's events are in order and no producer's sequence has a hole."""
        disordered = [key for key, found in self._order.items() if found != sorted(found)]
        assert disordered == []
        assert {len(found) == max(found) + 1 for found in self._sequences.values()} == {True}
        assert len({key for _, key in self._order}) == users


@contextmanager
def logging_process(fields: dict[str, Any], **settings: Any) -> Iterator[Worker]:
    """Start a process that logs for all users."""
    with Worker("log", fields, **settings) as worker:
        yield worker

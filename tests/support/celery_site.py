"""Runs the Celery example as its users do: a broker of files, a real worker, a publisher, and a Kafka for the trail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, AuditEvent
from tests.support.until import until

EXAMPLES = Path(__file__).parents[2] / "examples" / "celery"


class CelerySite:
    """A folder with the example, its queue, and what it needs to log.

    Args:
        kafka: The broker of the trail.
        folder: An empty folder.
        example: Source of the module ``tasks``.
    """

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, example: str) -> None:
        self._kafka = kafka
        self._folder = folder
        self._workers: list[subprocess.Popen[str]] = []
        self.log = folder / "worker.log"
        (folder / "tasks.py").write_text(example)
        for name in ("queue", "control", "results"):
            (folder / name).mkdir()
        self.environment = {
            **os.environ,
            "TELEMETRY_SERVICE_NAME": "shop",
            "TELEMETRY_AUDIT_CONFIG__KAFKA_BROKERS": kafka.bootstrap_servers,
            "TELEMETRY_AUDIT_CONFIG__SECURITY_PROTOCOL": "PLAINTEXT",
            "TELEMETRY_AUDIT_CONFIG__ENCRYPTION_ENABLED": "false",
            "TELEMETRY_AUDIT_CONFIG__FALLBACK_ENABLED": "false",
            "TELEMETRY_AUDIT_CONFIG__BATCH_TIMEOUT_MS": "5",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait(60)

    def worker(self, *options: str) -> subprocess.Popen[str]:
        """Start a worker with two processes, and wait until it takes tasks."""
        with self.log.open("a") as log:
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "tasks", "worker", "--loglevel", "INFO", "-c", "2"),
                    *("--without-gossip", "--without-mingle", "--without-heartbeat", *options),
                ],
                cwd=self._folder,
                env=self.environment,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._workers.append(worker)
        until(
            lambda: worker.poll() is not None or " ready." in self.log.read_text(),
            what="the worker takes tasks or has ended",
            state=self.log.read_text,
        )
        return worker

    def stop(self, worker: subprocess.Popen[str]) -> int:
        """End a worker as a service manager does; return its exit code."""
        worker.send_signal(signal.SIGTERM)
        return worker.wait(60)

    def publish(self, code: str) -> None:
        """Run code that publishes tasks, in a process of its own."""
        subprocess.run(
            [sys.executable, "-c", f"from telemetry import audit_context\nimport tasks\n{code}"],
            cwd=self._folder,
            env=self.environment,
            timeout=120,
            check=True,
        )

    def events(self) -> list[AuditEvent]:
        """Return what is in the trail now."""
        config = AuditConfig(
            kafka_brokers=self._kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            encryption_enabled=False,
            fallback_enabled=False,
        )
        with KafkaSource(config) as source:
            entries = list(TrailReader(source, provider=None))
        return [entry.event for entry in entries if isinstance(entry, OpenedEvent)]

    def wait_for(self, count: int) -> list[AuditEvent]:
        """Return the events, once there are so many."""
        until(lambda: len(self.events()) >= count, what=f"{count} events", state=self.log.read_text)
        return self.events()

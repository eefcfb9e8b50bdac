"""Where the contenders meet: one broker, and a fresh process, topic and folder for every measurement."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.setup import PASSPHRASE
from bench.spec import Spec
from telemetry.encryption.providers import local_key
from tests.services import environment
from tests.services.kafka import CLUSTER, KafkaBroker

_WORKER_SECONDS = 300
_SAMPLES = 2_000
_WARM_UP = 100_000
_WARM_UP_ROUNDS = 4
_BROKER_OPTIONS = {"log.segment.delete.delay.ms": "1000"}
# The tests' broker starts fast because Java compiles lightly there; then its TLS is so slow (AES-GCM without the
# processor's instructions) that only the broker would be measured. In production Java compiles fully, and so here.
_JAVA = ("-XX:TieredStopAtLevel=4",)


class Arena:
    """Runs measurements against one real Kafka over mutual TLS."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="telemetry-bench-"))
        self._broker = KafkaBroker(self._folder / "kafka", options=_BROKER_OPTIONS, java_options=_JAVA)
        self._samples: dict[int, Path] = {}
        self._runs = 0

    def __enter__(self) -> Self:
        self._broker.start()
        self._broker.add_acl("payments", CLUSTER, ["IDEMPOTENT_WRITE"])
        local_key.create(self._folder / "key.json", PASSPHRASE)
        # Java compiles what it has seen to be busy, in threads of its own that would take a processor from the contenders.
        for contender in ("audit", "produce") * _WARM_UP_ROUNDS:
            self.run(Spec("pipeline", contender, events=_WARM_UP))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._broker.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, spec: Spec) -> dict[str, Any]:
        """Measure in a new process; return what it found."""
        self._runs += 1
        topic = f"bench-{self._runs}"
        folder = self._folder / topic
        folder.mkdir(mode=0o700)
        shutil.copy(self._folder / "key.json", folder / "key.json")
        self._create_topic(topic)
        samples = self._sealed(spec) if spec.contender == "produce" else ""
        found = self._work(dataclasses.replace(spec, topic=topic, folder=str(folder), samples=str(samples)))
        self._broker.admin().delete_topics([topic])
        shutil.rmtree(folder, ignore_errors=True)
        return found

    def _create_topic(self, topic: str) -> None:
        self._broker.create_topic(topic, partitions=4)
        self._broker.add_acl("payments", topic)

    def _sealed(self, spec: Spec) -> Path:
        """Return a file of records that this library sealed, for those who send the same bytes."""
        path = self._samples.get(spec.size)
        if path is None:
            topic = f"samples-{spec.size}"
            folder = self._folder / topic
            folder.mkdir(mode=0o700)
            shutil.copy(self._folder / "key.json", folder / "key.json")
            self._create_topic(topic)
            made = Spec(area="pipeline", contender="audit", size=spec.size, events=_SAMPLES)
            self._work(dataclasses.replace(made, topic=topic, folder=str(folder)))
            path = folder / "samples.jsonl"
            events = [record for record in self._broker.read(topic) if b'"type":"order_read"' in record.value()]
            lines = [json.dumps([record.key().decode(), record.value().decode()]) for record in events]
            path.write_text("\n".join(lines))
            self._samples[spec.size] = path
        return path

    def _work(self, spec: Spec) -> dict[str, Any]:
        spec = dataclasses.replace(spec, kafka=_plain(self._broker.audit_options()))
        command = [sys.executable, "-m", "bench.worker", spec.to_json()]
        done = subprocess.run(
            command, env=environment.for_service(), capture_output=True, text=True, timeout=_WORKER_SECONDS, check=False
        )
        if done.returncode != 0:
            message = f"{spec.area} {spec.contender} failed:\n{done.stderr[-3_000:]}"
            raise RuntimeError(message)
        return dict(json.loads(done.stdout.splitlines()[-1]))


def _plain(options: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(options, default=str)))

"""Killed at random moments: every event whose durable wait returned is on the topic or in the fallback afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.audit.event import AuditEvent
from telemetry.config import AuditConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.signed_note import PublicKey
from telemetry.reader import DamagedRecord, FallbackSource, KafkaSource, OpenedEvent, RawRecord, TrailReader
from telemetry.reader.verdicts import VerificationReport
from telemetry.reader.verifier import Verifier
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka

RUNS = int(os.environ.get("CRASH_RUNS", "30"))
WORKER = Path(__file__).with_name("crash_worker.py")


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


class Crashes:
    """Worker processes in one folder, and what they said was durable."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, seed: int) -> None:
        self._brokers = kafka.bootstrap_servers
        self._folder = folder
        self._dice = random.Random(seed)  # noqa: S311 - moments of killing, no secret
        self.durable: set[str] = set()
        self.found: dict[str, AuditEvent] = {}
        key = SigningKey.create(folder / "signing", "crash", name="crash")
        self._verifier = Verifier([PublicKey.parse(key.public_key)])
        self._next: dict[int | None, int] = defaultdict(int)
        self.config = AuditConfig(
            kafka_brokers=self._brokers,
            security_protocol="PLAINTEXT",
            encryption_config={"provider": "local_key", "key_path": folder / "key", "passphrase": "crash"},  # type: ignore[arg-type]
            storage_config={"provider": "local_file", "base_path": folder / "fallback"},  # type: ignore[arg-type]
        )

    def run_and_kill(self) -> None:
        """Let a worker log, and kill it at a random moment after its first durable event."""
        with self._start(tasks=20) as worker:
            assert worker.stdout is not None
            self.durable.add(worker.stdout.readline().strip())
            assert "" not in self.durable, "the worker did not begin to log"
            killer = threading.Timer(self._dice.uniform(0.0, 0.12), worker.send_signal, (signal.SIGKILL,))
            killer.start()
            # A line is whole, or its last part was never written.
            self.durable.update(line.strip() for line in worker.stdout if line.endswith("\n"))
            killer.join()

    def recover(self) -> None:
        """Start a worker that only adopts what the dead ones left, and ends in good order."""
        worker = self._start(tasks=0)
        _, err = worker.communicate(timeout=60)
        assert worker.returncode == 0, err

    def collect(self) -> None:
        """Read topic and fallback; the embedded Kafka forgets old records, so it is done now and then."""
        encryption, storage = self.config.encryption_config, self.config.storage_config
        assert encryption is not None
        assert storage is not None
        with EncryptionProviderFactory.create(encryption) as provider, StorageProviderFactory.create(storage) as store:
            with KafkaSource(self.config) as source:
                sources: list[RawRecord | DamagedRecord] = [record for record in source if self._is_new(record)]
            sources += list(FallbackSource(store, topic=self.config.kafka_topic))
            self._verifier.observe_all(sources)
            for entry in TrailReader(sources, provider=provider):
                assert not isinstance(entry, DamagedRecord)
                if isinstance(entry, OpenedEvent):
                    self.found.setdefault(entry.event.id, entry.event)

    def report(self) -> VerificationReport:
        """Return what an auditor would find in all that was collected."""
        return self._verifier.report()

    def spool(self) -> list[str]:
        return sorted(path.name for path in (self._folder / "spool").iterdir())

    def _is_new(self, record: RawRecord | DamagedRecord) -> bool:
        partition, offset = record.place.partition, record.place.offset
        seen = offset < self._next[partition]
        self._next[partition] = max(self._next[partition], offset + 1)
        return not seen

    def _start(self, *, tasks: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(WORKER), self._brokers, str(self._folder), str(tasks)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not tasks else subprocess.DEVNULL,
            text=True,
        )


def _assert_whole(crashes: Crashes) -> None:
    crashes.collect()
    assert crashes.durable <= crashes.found.keys()
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    sequences: dict[str, set[int]] = defaultdict(set)
    for event in crashes.found.values():
        numbers[event.producer, event.user_id].append(event.payload["number"])
        sequences[event.producer].add(event.sequence)
    assert all(found == list(range(len(found))) for found in numbers.values())
    assert all(found == set(range(len(found))) for found in sequences.values())
    report = crashes.report()
    assert report.exit_code == 0, [str(finding) for producer in report.producers for finding in producer.findings]


@pytest.mark.timeout(60 + 5 * RUNS)
def test_killed_at_random_moments_while_logging(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    crashes = Crashes(kafka, tmp_path, seed=20)

    for number in range(RUNS):
        crashes.run_and_kill()
        if number % 20 == 19:
            crashes.collect()
    crashes.recover()

    _assert_whole(crashes)
    assert crashes.spool() == []


def test_killed_while_kafka_is_away(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    crashes = Crashes(kafka, tmp_path, seed=21)
    kafka.stop_brokers()

    for _ in range(4):
        crashes.run_and_kill()
    crashes.recover()
    kafka.start_brokers()

    _assert_whole(crashes)
    assert crashes.spool() == []


def test_a_live_process_is_not_robbed_of_its_spool(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    crashes = Crashes(kafka, tmp_path, seed=22)
    alive = crashes._start(tasks=1)
    assert alive.stdout is not None
    alive.stdout.readline()
    before = crashes.spool()

    crashes.recover()

    assert [name for name in before if name.endswith(".spool")] == [
        name for name in crashes.spool() if name.endswith(".spool")
    ]
    alive.kill()
    alive.communicate(timeout=10)

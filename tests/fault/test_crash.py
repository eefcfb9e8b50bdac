"""Kills processes at random moments: every event that was durable is on the topic or in the fallback afterwards.

``make test`` kills thirty processes, ``make fault-long`` five hundred; docs/reliability.md has that result.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from telemetry.audit.spool.sqlite_file import was_killed_at_birth
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_keys import storage_keys_of
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import DamagedRecord, FallbackSource, KafkaSource, OpenedEvent, RawRecord, TrailReader
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from tests.support.leftovers import left_in

RUNS = int(os.environ.get("CRASH_RUNS", "30"))
IS_LONG = "CRASH_RUNS" in os.environ
_SOON, _LATER, _BEFORE_ITS_FIRST_EVENT = 0.12, 1.5, 1.0
"""A process is killed within so many seconds: mostly soon, one in ten later, one in five counted from its start."""
_ROUND, _ROUND_WITHOUT_KAFKA = 25, 4
_START_SECONDS = 180.0
_MOST_RECOVERIES = 5
_COLLECT_EVENTS = 4_000
"""The embedded Kafka keeps a few megabytes of each partition, and forgets what is older."""
WORKER = Path(__file__).parents[1] / "support" / "workers" / "crash_worker.py"


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=16) as broker:
        yield broker


class Found(NamedTuple):
    """The parts of an event that are compared."""

    producer: str
    sequence: int
    user_id: str
    number: int


class Crashes:
    """Worker processes in one folder, and the events that they called durable."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, seed: int, commit_seconds: float = 0.0) -> None:
        self._brokers = kafka.bootstrap_servers
        self._commit_seconds = commit_seconds
        self._folder = folder
        self._dice = random.Random(seed)  # noqa: S311 - moments of killing, no secret
        self.killed_early = 0
        self.durable: set[str] = set()
        self.found: dict[str, Found] = {}
        key = SigningKey.create(folder / "signing", "correct horse", name="crash")
        self._verifier = Verifier([PublicKey.parse(key.public_key)])
        self._next: dict[int | None, int] = defaultdict(int)
        self.config = AuditConfig(
            kafka_brokers=self._brokers,
            security_protocol="PLAINTEXT",
            encryption_config={"provider": "local_key", "key_path": folder / "key", "passphrase": "correct horse"},  # type: ignore[arg-type]
            storage_config={"provider": "local_file", "base_path": folder / "fallback"},  # type: ignore[arg-type]
            signing_config={"key_path": folder / "signing", "passphrase": "correct horse"},  # type: ignore[arg-type]
        )

    def run_and_kill(self) -> None:
        """Let a worker log, and kill it at a random moment."""
        kind = self._dice.random()
        with self._start(tasks=20) as worker:
            assert worker.stdout is not None
            if kind < 0.2:
                # Perhaps while it still starts, or adopts what the one before it left.
                self.killed_early += 1
                moment = self._dice.uniform(0.0, _BEFORE_ITS_FIRST_EVENT)
            else:
                self.durable.add(self._first_line(worker))
                moment = self._dice.uniform(0.0, _LATER if kind < 0.3 else _SOON)
            killer = threading.Timer(moment, worker.send_signal, (signal.SIGKILL,))
            killer.start()
            # A line is whole, or its last part was never written.
            self.durable.update(line.strip() for line in worker.stdout if line.endswith("\n"))
            killer.join()

    def _first_line(self, worker: subprocess.Popen[str]) -> str:
        assert worker.stdout is not None
        guard = threading.Timer(_START_SECONDS, worker.kill)
        guard.start()
        line = worker.stdout.readline()
        guard.cancel()
        assert line.endswith("\n"), "the worker did not begin to log"
        return line.strip()

    def recover(self) -> None:
        """Start a worker that adopts the segments of the dead ones, and shuts down cleanly."""
        worker = self._start(tasks=0)
        _, err = worker.communicate(timeout=180)
        assert worker.returncode == 0, err

    def recover_all(self) -> None:
        """Recover until no segment is left: a slow machine may need more than one shutdown's time."""
        for _ in range(_MOST_RECOVERIES):
            self.recover()
            if not self.spool():
                return
        pytest.fail(f"{len(self.spool())} segments are left after {_MOST_RECOVERIES} recoveries: {self.spool()}")

    def collect(self) -> None:
        """Read topic and fallback; the embedded Kafka forgets old records, so it is done now and then."""
        encryption, storage = self.config.encryption_config, self.config.storage_config
        assert encryption is not None
        assert storage is not None
        with EncryptionProviderFactory.create(encryption) as provider, StorageProviderFactory.create(storage) as store:
            keys = storage_keys_of(TelemetryConfig(audit_config=self.config), provider=provider)
            # Before the topic, as every command reads them: what is replayed meanwhile is then read from the topic.
            sources: list[RawRecord | DamagedRecord] = [
                *FallbackSource(store, topic=self.config.kafka_topic, keys=keys)
            ]
            with KafkaSource(self.config) as source:
                before = dict(self._next)
                sources += [record for record in source if self._remember(record)]
            forgotten = {part: low for part, (low, _) in source.bounds.items() if low > before.get(part, 0)}
            assert not forgotten, "the embedded Kafka forgot records that were not read yet: collect more often"
            self._verifier.observe_all(sources)
            for entry in TrailReader(sources, provider=provider):
                assert not isinstance(entry, DamagedRecord)
                if isinstance(entry, OpenedEvent):
                    event = entry.event
                    self.found[event.id] = Found(event.producer, event.sequence, event.user_id, event.payload["number"])

    @property
    def uncollected(self) -> int:
        """How many durable events were not read yet."""
        return len(self.durable - self.found.keys())

    def report(self) -> VerificationReport:
        """Return the verifier's report on everything that was collected."""
        return self._verifier.report()

    def print_progress(self, text: str) -> None:
        """Write the progress of a long run to standard error."""
        if IS_LONG:
            sys.stderr.write(
                f"\n{text}: {self.killed_early} by a clock that began with their start; {len(self.durable)} events were durable, "
                f"{len(self.durable & self.found.keys())} of them found by now, {len(self.found)} found in all"
            )
            sys.stderr.flush()

    def spool(self) -> list[str]:
        """Return the names of what is left in the spool folder.

        A process that was killed before its file was a segment leaves it there for a minute: it may still be starting.
        """
        folder, left = self._folder / "spool", []
        for name in left_in(folder):
            segment = folder / name.removesuffix("-journal")
            if not (segment.exists() and was_killed_at_birth(segment, segment.stat().st_size)):
                left.append(name)
        return left

    def _remember(self, record: RawRecord | DamagedRecord) -> bool:
        partition, offset = record.place.partition, record.place.offset
        seen = offset < self._next[partition]
        self._next[partition] = max(self._next[partition], offset + 1)
        return not seen

    def _start(self, *, tasks: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(WORKER), self._brokers, str(self._folder), str(tasks), str(self._commit_seconds)],
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
        numbers[event.producer, event.user_id].append(event.number)
        sequences[event.producer].add(event.sequence)
    assert all(found == list(range(len(found))) for found in numbers.values())
    assert all(found == set(range(len(found))) for found in sequences.values())
    report = crashes.report()
    alarms = [
        f"{producer.producer} {finding}"
        for producer in report.producers
        for finding in producer.findings
        if finding.verdict.exit_code
    ]
    assert report.exit_code == 0, "\n".join([*alarms, *map(str, report.findings)])
    assert report.foreign.total == 0, report.foreign
    found = [str(finding) for producer in report.producers for finding in producer.findings]
    assert not any("old copy" in finding for finding in found)


@pytest.mark.timeout(300 + 10 * RUNS)
def test_killed_at_random_moments_while_logging(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    crashes = Crashes(kafka, tmp_path, seed=20)
    began = time.monotonic()

    for number in range(1, RUNS + 1):
        in_round = number % _ROUND
        if in_round == _ROUND - _ROUND_WITHOUT_KAFKA:
            kafka.stop_brokers()
        crashes.run_and_kill()
        if in_round == 0:
            kafka.start_brokers()
        is_away = in_round >= _ROUND - _ROUND_WITHOUT_KAFKA
        if in_round == 0 or (not is_away and crashes.uncollected > _COLLECT_EVENTS):
            crashes.collect()
            crashes.print_progress(f"{number} processes killed in {time.monotonic() - began:.0f} s")
    kafka.start_brokers()
    crashes.recover_all()

    _assert_whole(crashes)
    assert crashes.spool() == []
    report = crashes.report()
    copies = sum(producer.duplicates for producer in report.producers)
    crashes.print_progress(
        f"the end: {RUNS} processes killed in {time.monotonic() - began:.0f} s, {len(report.producers)} of them left "
        f"records, {copies} copies beyond the first, the verifier says {report.verdict}"
    )


def test_killed_while_kafka_is_away(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    crashes = Crashes(kafka, tmp_path, seed=21)
    kafka.stop_brokers()

    for _ in range(4):
        crashes.run_and_kill()
    crashes.recover_all()
    kafka.start_brokers()

    _assert_whole(crashes)
    assert crashes.spool() == []


def test_killed_while_the_disk_is_slow(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    crashes = Crashes(kafka, tmp_path, seed=23, commit_seconds=0.3)

    for _ in range(8):
        crashes.run_and_kill()
    crashes.recover_all()

    _assert_whole(crashes)


def test_live_process_keeps_its_spool(kafka: EmbeddedKafka, tmp_path: Path) -> None:
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
    alive.communicate(timeout=180)

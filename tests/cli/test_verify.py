from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from telemetry.config import AuditConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.reader import KafkaSource, RawRecord
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import run
from tests.support.raw_records import raw_records


class SignedTrail:
    """A finished trail on an embedded Kafka, and the command that verifies it."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, events: int) -> None:
        self.kafka = kafka
        self._folder = folder
        self._records: list[RawRecord] = []
        self._own_brokers = ExitStack()
        self._key = SigningKey.create(folder / "signing", "correct horse", name="audit")
        with Telemetry(self._config()) as telemetry:
            for number in range(events):
                telemetry.audit.log("work", {"number": number}, f"user-{number % 5}")

    def _config(self, **changes: Any) -> AuditConfig:
        values: dict[str, Any] = {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "encryption_config": {
                "provider": "local_key",
                "key_path": self._folder / "key",
                "passphrase": "correct horse",
            },
            "storage_config": {"provider": "local_file", "base_path": self._folder / "fallback"},
            "signing_config": {"key_path": self._folder / "signing", "passphrase": "correct horse", "every_events": 20},
        }
        return AuditConfig(**{**values, **changes})

    @contextmanager
    def for_one_test(self) -> Iterator[SignedTrail]:
        """Yield the same trail for a test that rewrites it, on a broker that no other test has."""
        trail = copy.copy(self)
        with ExitStack() as trail._own_brokers:
            yield trail

    def records(self) -> list[RawRecord]:
        """Return the records as they were written; rewriting changes another broker's topic."""
        if not self._records:
            with KafkaSource(self._config()) as source:
                self._records += raw_records(source)
        return list(self._records)

    def rewrite(self, records: list[RawRecord]) -> None:
        """Exchange what is on the topic, as the broker's operator can; verify that from now on."""
        self.kafka = self._own_brokers.enter_context(EmbeddedKafka(partitions=4))
        self.append(records)

    def append(self, records: list[RawRecord]) -> None:
        """Put records on the topic after those that are there."""
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers})
        for record in records:
            partition = record.place.partition or 0
            producer.produce(self.topic, record.value, record.key, partition=partition, headers=[*record.headers])
        assert producer.flush(60) == 0

    topic = "audit-events"

    @property
    def public_key(self) -> str:
        """What the trail is verified with."""
        return self._key.public_key

    def verify(self, *options: str) -> tuple[int, dict[str, Any]]:
        code, out, err = self.run(*options)
        assert out, err
        report: dict[str, Any] = json.loads(out)
        return code, report

    def run(self, *options: str, json: bool = True) -> tuple[int, str, str]:
        code, out, err = run(
            *("verify", "--brokers", self.kafka.bootstrap_servers, *(["--json"] if json else [])),
            *("--security-protocol", "PLAINTEXT", "--topic", self.topic, "--public-key", self._key.public_key),
            *options,
        )
        return code, out.decode(), err


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedTrail]:
    with EmbeddedKafka() as kafka:
        yield SignedTrail(kafka, tmp_path_factory.mktemp("trail"), events=100)


@pytest.fixture
def trail(written: SignedTrail) -> Iterator[SignedTrail]:
    with written.for_one_test() as trail:
        yield trail


def test_whole_trail_is_complete_without_a_key(trail: SignedTrail) -> None:
    code, report = trail.verify()

    assert (code, report["verdict"]) == (0, "complete")
    assert report["producers"][0]["proven"] == 100


def test_report_and_state_are_separate_files(trail: SignedTrail, tmp_path: Path) -> None:
    page, state = tmp_path / "evidence.html", tmp_path / "state"

    first = trail.verify("--report", str(page), "--state", str(state))
    again = trail.verify("--state", str(state))

    assert (first[0], again[0]) == (0, 0)
    text = page.read_text("utf-8")
    assert "complete" in text
    assert trail.kafka.bootstrap_servers in text
    assert "<script" not in text
    assert state.stat().st_mode & 0o777 == 0o600


def test_trail_begun_anew_contradicts_the_state(trail: SignedTrail, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert trail.verify("--state", str(state))[0] == 0
    trail.rewrite(trail.records()[:10])

    assert trail.verify("--state", str(state))[0] in (3, 4)


def test_deleted_record_is_missing(trail: SignedTrail) -> None:
    records = trail.records()
    victim = next(record for record in records if record.value and b'"sequence":50,' in record.value)
    trail.rewrite([record for record in records if record is not victim])

    code, report = trail.verify()

    assert code == 4
    assert report["producers"][0]["verdict"] == "missing"
    findings = {found["verdict"]: (found["first"], found["field"]) for found in report["producers"][0]["findings"]}
    assert findings == {"missing": (50, None)}


def test_altered_record_is_tampered(trail: SignedTrail) -> None:
    records = trail.records()
    altered = [
        record._replace(value=record.value.replace(b'"type":"work"', b'"type":"play"'))
        if record.value and b'"sequence":50,' in record.value
        else record
        for record in records
    ]
    trail.rewrite(altered)

    code, report = trail.verify()

    assert code == 3
    assert report["producers"][0]["verdict"] == "tampered"


def test_missing_public_key_is_reported(trail: SignedTrail) -> None:
    ended = run("verify", "--brokers", trail.kafka.bootstrap_servers)

    assert ended.code == 2
    assert "--public-key" in ended.err


def test_empty_topic_says_why_it_is_unverifiable(trail: SignedTrail) -> None:
    trail.rewrite([])

    code, out, _ = trail.run(json=False)
    _, report = trail.verify()

    assert code == 4
    assert out.splitlines()[-1] == "unverifiable: the source holds no records: there is nothing to verify"
    assert report["reason"] == "the source holds no records: there is nothing to verify"

"""``telemetry lineage`` against a real broker: delivered at once, and through the fallback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from opentelemetry import trace

from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from tests.cli.test_main_job import Trail
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker

pytestmark = pytest.mark.services

SPAN = trace.SpanContext(
    trace_id=0x4BF92F3577B34DA6A3CE929D0E0E4736,
    span_id=0x00F067AA0BA902B7,
    is_remote=False,
    trace_flags=trace.TraceFlags(1),
)


class SignedTrail(Trail):
    """A trail whose events are signed, logged by this process."""

    def __init__(self, folder: Path, broker: KafkaBroker, **audit: Any) -> None:
        super().__init__(folder, broker, new_topic(broker), **audit)
        key = SigningKey.create(folder / "signing", "correct horse", name="audit")
        self.public_key = ("--public-key", key.public_key)
        self.tables["signing_config"] = {"key_path": str(folder / "signing"), "passphrase": "correct horse"}
        self.configure(**audit)

    def log_some(self, count: int) -> list[str]:
        """Log inside a span, end the process's stream, and return the events' ids."""
        with (
            Telemetry(TelemetryConfig.load(self.config)) as telemetry,
            trace.use_span(trace.NonRecordingSpan(SPAN)),
        ):
            return [
                telemetry.audit.log("user_login", {"number": number}, "user-7", outcome="denied").event_id
                for number in range(count)
            ]

    def lineage(self, event_id: str, *options: str) -> tuple[int, dict[str, Any]]:
        code, out, err = self.run("lineage", event_id, "--json", *options)
        assert out, err
        report: dict[str, Any] = json.loads(out)
        return code, report


def test_event_delivered_at_once(kafka: KafkaBroker, tmp_path: Path) -> None:
    trail = SignedTrail(tmp_path, kafka)
    *_, event_id = trail.log_some(10)

    code, report = trail.lineage(event_id, *trail.public_key)

    assert code == 0
    (record,) = report["records"]
    assert record["call"]["trace_id"] == f"{SPAN.trace_id:032x}"
    assert record["call"]["span_id"] == f"{SPAN.span_id:016x}"
    assert record["call"]["service_name"] == "trail"
    assert record["sealing"]["key_uri"].startswith("local-key://")
    (delivery,) = record["deliveries"]
    assert delivery["sender"] == record["call"]["producer"]
    assert delivery["batch"] >= 1
    assert delivery["replayed_from"] is None
    assert (record["sealed"], record["proven"], record["checkpoint"]["final"]) == (True, "yes", True)
    assert "event" not in record
    assert report["read"]["records"] > 10
    assert report["read"]["unreadable"] == 0


def test_only_open_shows_the_event(kafka: KafkaBroker, tmp_path: Path) -> None:
    trail = SignedTrail(tmp_path, kafka)
    (event_id,) = trail.log_some(1)

    opened = trail.run("lineage", event_id, "--open", *trail.public_key)
    (tmp_path / "key").rename(tmp_path / "away")
    (tmp_path / "key").touch(mode=0o600)
    sealed = trail.run("lineage", event_id, *trail.public_key)

    assert (opened[0], sealed[0]) == (0, 0), (opened, sealed)
    shown, hidden = opened[1].decode(), sealed[1].decode()
    assert "denied" in shown
    assert "every byte agrees" in shown
    assert "denied" not in hidden
    for text in (shown, hidden):
        assert f"{SPAN.trace_id:032x}" in text
        assert "part of a checkpoint of a trusted key" in text
        assert "\x1b" not in text


def test_copy_is_listed_and_altered_one_reported(kafka: KafkaBroker, tmp_path: Path) -> None:
    trail = SignedTrail(tmp_path, kafka)
    (event_id,) = trail.log_some(1)
    topic = TelemetryConfig.load(trail.config).audit_config.kafka_topic
    messages = [(message.key(), message.value() or b"") for message in kafka.read(topic)]
    ((key, value),) = [(key, value) for key, value in messages if event_id.encode() in value]
    producer = Producer(kafka.client_options())

    producer.produce(topic, value, key)
    assert producer.flush(60) == 0
    code, report = trail.lineage(event_id, *trail.public_key)
    assert (code, len(report["records"][0]["deliveries"])) == (0, 2)

    producer.produce(topic, value.replace(b"user_login", b"user_logon"), key)
    assert producer.flush(60) == 0
    code, report = trail.lineage(event_id, *trail.public_key)
    assert code == 3
    assert sorted(one["proven"] for one in report["records"]) == ["no", "yes"]


def test_event_replayed_from_the_fallback(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    trail = SignedTrail(tmp_path, broker, kafka_timeout_ms=500, max_retries=0, fallback_object_seconds=0.2)
    broker.stop()
    event_id, *_ = trail.log_some(5)
    assert trail.stored()

    assert trail.run("lineage", event_id)[0] == 6
    broker.start()
    trail.configure()
    code, report = trail.lineage(event_id, *trail.public_key)
    assert code == 0
    (waiting,) = report["records"][0]["deliveries"]
    assert waiting["fallback_object"].endswith(".tobj")
    assert waiting["reason"]
    assert report["records"][0]["proven"] == "yes"

    assert trail.run("fallback replay")[0] == 0
    code, report = trail.lineage(event_id, *trail.public_key)
    assert code == 0
    (replayed,) = report["records"][0]["deliveries"]
    assert (replayed["replayed_from"], replayed["fallback_object"]) == (waiting["fallback_object"], None)
    assert replayed["stored_at"] == waiting["stored_at"]
    assert replayed["timestamp"] > replayed["stored_at"] > report["records"][0]["call"]["time"]
    text = trail.run("lineage", event_id)[1].decode()
    assert text.index("called") < text.index("stored in the fallback") < text.index("replayed to Kafka")


@pytest.mark.parametrize(
    ("event_id", "code", "message"),
    [
        ("0198c0de-1111-7222-8333-444455556666", 4, "is not in the trail"),
        ("not an id", 2, "is not the id of an event"),
        ("0198C0DE-1111-7222-8333-444455556666", 2, "is not the id of an event"),
    ],
)
def test_event_that_does_not_exist(kafka: KafkaBroker, tmp_path: Path, event_id: str, code: int, message: str) -> None:
    trail = SignedTrail(tmp_path, kafka)

    ended, out, err = trail.run("lineage", event_id)

    assert (ended, out) == (code, b"")
    assert message in err

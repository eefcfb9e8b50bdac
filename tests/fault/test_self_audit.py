"""Records the library's own life in the trail, as sealed events, where that is switched on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry import TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.format.value.event import AuditEvent
from telemetry.reader import DamagedRecord, KafkaSource, OpenedEvent, TrailReader
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.events_at_rest import on_topic
from tests.support.faulty_services import FaultyKeys, FaultyStore
from tests.support.leftovers import STORAGE_SECRET, leave_segment, owner, records
from tests.support.quick_telemetry import as_shop, quick_config, running
from tests.support.servers import PAGE
from tests.support.until import until

_DIGEST = re.compile(r"[0-9a-f]{64}")


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.fixture
def keys() -> FaultyKeys:
    return FaultyKeys()


def _config(kafka: EmbeddedKafka, folder: Path, keys: FaultyKeys, **changes: Any) -> AuditConfig:
    fixed: dict[str, Any] = {
        "encryption_enabled": True,
        "encryption_config": keys.config,
        # Patient: a loaded machine must not cause an outage beside the one that a test is about.
        "kafka_timeout_ms": 3_000,
        "self_audit": True,
    }
    return quick_config(kafka.bootstrap_servers, folder, **{**fixed, **changes})


def _events(config: AuditConfig) -> list[AuditEvent]:
    """Return the opened events of the topic, each process's in order."""
    assert config.encryption_config is not None
    events = []
    with EncryptionProviderFactory.create(config.encryption_config) as provider, KafkaSource(config) as source:
        for entry in TrailReader(source, provider=provider):
            assert not isinstance(entry, DamagedRecord)
            if isinstance(entry, OpenedEvent):
                events.append(entry.event)
    return sorted(events, key=lambda event: (event.producer, event.sequence))


def _own(config: AuditConfig) -> list[AuditEvent]:
    return [event for event in _events(config) if event.event_type.startswith("telemetry.")]


def test_whole_life_is_on_the_topic(kafka: EmbeddedKafka, keys: FaultyKeys, tmp_path: Path) -> None:
    config = _config(
        kafka, tmp_path, keys, spool_path=tmp_path / "spool", data_key_max_uses=20, storage_secret=STORAGE_SECRET
    )
    # What a dead process left was sealed, or here not sealed, by itself.
    left = records(3)
    leave_segment(tmp_path / "spool", left, of=owner(is_sealed=True))
    with running(as_shop(config)) as telemetry:
        for number in range(25):
            telemetry.audit.log("login", {"n": number}, "ada").wait_delivered(60)
        kafka.stop_brokers()
        telemetry.audit.log("login", {}, "ada").wait_delivered(60)
        until(lambda: telemetry.audit.get_audit_stats().diverted)
        kafka.start_brokers()
        until(lambda: not telemetry.audit.get_audit_stats().diverted)
        counts = telemetry.audit.get_audit_stats()

    own = _own(config)
    producers = {event.producer for event in own}
    assert len(producers) == 1
    assert left[0].producer not in producers
    assert {event.user_id for event in own} == {"telemetry"}
    assert (own[0].event_type, own[-1].event_type) == ("telemetry.started", "telemetry.stopped")
    payloads: dict[str, list[Any]] = {}
    for event in own:
        payloads.setdefault(event.event_type, []).append(event.payload)
    assert payloads.keys() == _documented()
    (started,) = payloads["telemetry.started"]
    assert started["pid"] == os.getpid()
    assert _DIGEST.fullmatch(started["configuration_sha256"])
    assert payloads["telemetry.recovered"] == [{"producer": left[0].producer}]
    assert len(payloads["telemetry.fallback_entered"]) == len(payloads["telemetry.fallback_left"]) == 1
    rotated = payloads["telemetry.data_key_rotated"]
    assert len(rotated) >= 2
    assert len({key["kid"] for key in rotated}) == len(rotated)
    assert {key["key_uri"] for key in rotated} == {"fixed://kek"}
    (stopped,) = payloads["telemetry.stopped"]
    assert (stopped["pid"], stopped["refused"]) == (os.getpid(), 0)
    assert stopped["logged"] >= counts.logged - 1
    sealed = [value for value in on_topic(config) if value["type"].startswith("telemetry.")]
    assert {value["datacontenttype"] for value in sealed} == {"application/jose"}


def test_outage_without_a_fallback_is_recorded(kafka: EmbeddedKafka, keys: FaultyKeys, tmp_path: Path) -> None:
    config = _config(kafka, tmp_path, keys, spool_path=tmp_path / "spool", fallback_enabled=False)
    with running(config) as telemetry:
        kafka.stop_brokers()
        telemetry.audit.log("login", {}, "ada").wait_durable(60)
        until(lambda: telemetry.audit.get_audit_stats().diverted)
        kafka.start_brokers()
        until(lambda: telemetry.audit.get_audit_stats().queued == 0)

    types = [event.event_type for event in _own(config)]
    assert types.count("telemetry.fallback_entered") == types.count("telemetry.fallback_left") == 1


def test_process_ends_during_an_outage(kafka: EmbeddedKafka, keys: FaultyKeys, tmp_path: Path) -> None:
    config = _config(kafka, tmp_path, keys, spool_path=tmp_path / "spool", storage_config=FaultyStore().config)
    with running(config) as telemetry:
        kafka.stop_brokers()
        telemetry.audit.log("login", {}, "ada").wait_delivered(60)
    kafka.start_brokers()
    with running(config) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().replayed > 0)

    first, second = sorted({event.producer for event in _own(config)})
    ended = [event.event_type for event in _own(config) if event.producer == first]
    assert ended[-1] == "telemetry.stopped"
    assert "telemetry.fallback_entered" in ended
    assert "telemetry.fallback_left" not in ended
    assert next(event.event_type for event in _own(config) if event.producer == second) == "telemetry.started"


def test_digest_ignores_secrets(kafka: EmbeddedKafka, keys: FaultyKeys, tmp_path: Path) -> None:
    config = _config(kafka, tmp_path, keys)

    def digest(environment: str, **changes: Any) -> str:
        audit = AuditConfig(**{**config.model_dump(exclude_unset=True), **changes})
        with Telemetry(TelemetryConfig(service_name="shop", environment=environment, audit_config=audit)) as telemetry:
            telemetry.shutdown(60)
        started = [event for event in _own(config) if event.event_type == "telemetry.started"]
        return str(started[-1].payload["configuration_sha256"])

    first = digest("test")
    secret = {"key_mode": "hmac", "key_hmac_secret": "0123456789abcdef"}
    assert digest("test") == first
    assert digest("production") != first
    assert digest("test", batch_timeout_ms=7) != first
    assert digest("test", **secret) == digest("test", **{**secret, "key_hmac_secret": "fedcba9876543210"})


def test_switched_off_it_writes_nothing(kafka: EmbeddedKafka, keys: FaultyKeys, tmp_path: Path) -> None:
    config = _config(kafka, tmp_path, keys, self_audit=False, data_key_max_uses=5)
    with running(config) as telemetry:
        for number in range(12):
            telemetry.audit.log("login", {"n": number}, "ada").wait_delivered(60)

    assert [event.event_type for event in _events(config)] == ["login"] * 12


def _documented() -> set[str]:
    return set(re.findall(r"^\| `(telemetry\.[a-z_]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE))


def test_events_contain_no_secrets(kafka: EmbeddedKafka, keys: FaultyKeys, tmp_path: Path) -> None:
    secret = "canary-0123456789abcdef"
    config = _config(kafka, tmp_path, keys, key_mode="hmac", key_hmac_secret=secret)
    with running(config) as telemetry:
        telemetry.audit.log("login", {}, "ada").wait_delivered(60)

    assert _own(config)
    assert secret not in json.dumps([event.payload for event in _own(config)])

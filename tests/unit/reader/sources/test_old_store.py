"""Fallback objects that release 077af88 wrote are read, opened, and replayed to Kafka."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.encryption import EncryptionProviderFactory
from telemetry.reader import FallbackSource, KafkaSource, OpenedEvent, RawRecord, TrailReader
from telemetry.storage import StorageProviderFactory
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from tests.support.raw_records import raw_records
from tests.support.until import until

FOLDER = Path(__file__).parents[3] / "fixtures" / "fallback_store"
TOPIC = "audit-events"
EVENTS = [("payment_made", {"amount": number}, f"user-{number % 3}") for number in range(12)]


@pytest.fixture
def store(tmp_path: Path) -> StorageConfig:
    """The old store, copied: replay deletes its objects."""
    shutil.copytree(FOLDER / TOPIC, tmp_path / "fallback" / TOPIC)
    return StorageConfig(provider="local_file", base_path=tmp_path / "fallback")


@pytest.fixture
def keys(tmp_path: Path) -> EncryptionConfig:
    """The old key file, with the mode that version control does not keep."""
    path = tmp_path / "key.json"
    path.write_bytes((FOLDER / "key.json").read_bytes())
    path.chmod(0o600)
    return EncryptionConfig(provider="local_key", key_path=path, passphrase=SecretStr("fixture-passphrase"))


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(topic=TOPIC) as kafka:
        yield kafka


def test_old_objects_are_opened(store: StorageConfig, keys: EncryptionConfig) -> None:
    with ExitStack() as stack:
        objects = stack.enter_context(StorageProviderFactory.create(store))
        provider = stack.enter_context(EncryptionProviderFactory.create(keys))
        events = [
            entry.event
            for entry in TrailReader(FallbackSource(objects, topic=TOPIC), provider=provider)
            if isinstance(entry, OpenedEvent)
        ]
    assert [(event.event_type, event.payload, event.user_id) for event in events] == EVENTS
    assert [event.sequence for event in events] == list(range(12))
    assert {event.entity for event in events} == {"invoice"}


def test_old_objects_are_replayed(store: StorageConfig, keys: EncryptionConfig, kafka: EmbeddedKafka) -> None:
    with StorageProviderFactory.create(store) as objects:
        old = [
            (record.key, record.value)
            for record in FallbackSource(objects, topic=TOPIC)
            if isinstance(record, RawRecord)
        ]
    config = AuditConfig(
        kafka_brokers=kafka.bootstrap_servers,
        security_protocol="PLAINTEXT",
        self_audit=False,
        encryption_config=keys,
        storage_config=store,
    )
    with Telemetry(TelemetryConfig(service_name="payments", audit_config=config)) as telemetry:
        until(lambda: telemetry.audit.get_audit_stats().replayed >= len(old), what="the replay of the old objects")
    with KafkaSource(config) as source:
        replayed = [(record.key, record.value) for record in raw_records(source)]
    assert len(old) == 12
    assert sorted(replayed) == sorted(old)
    with StorageProviderFactory.create(store) as objects:
        assert list(FallbackSource(objects, topic=TOPIC)) == []

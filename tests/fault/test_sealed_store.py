"""Sealed objects outlive the process that stored them: another one replays them, also one that may not unwrap."""

from __future__ import annotations

import itertools
import json
import logging
import multiprocessing
import os
from collections.abc import Mapping
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.marks.accept import accept_object
from telemetry.audit.marks.keeper import open_keeper
from telemetry.audit.replay.once import replay_now
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_keys import storage_keys_of
from telemetry.exceptions import ConfigurationError, KeyAccessDeniedError, StorageAccessDeniedError
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import DamagedRecord, FallbackSource, KafkaSource, OpenedEvent, TrailReader
from telemetry.reader.entry import HeldEvents
from telemetry.reader.verify.verifier import Verifier
from telemetry.storage import StorageProviderFactory
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, EncryptionConfig, StorageConfig, TelemetryConfig
from tests.support.faulty_services import FixedKeys
from tests.support.quick_telemetry import NOWHERE
from tests.support.raw_records import raw_records
from tests.support.until import until

PASSPHRASE = "correct horse battery"
_NUMBERS = itertools.count()


class WriterOnly(FixedKeys):
    """A key service that does not let the service unwrap."""

    def unwrap(self, wrapped: bytes, key_uri: str, context: Mapping[str, str]) -> bytes:
        del wrapped, key_uri, context
        message = "this principal may not unwrap"
        raise KeyAccessDeniedError(message)


class Service:
    """A service with a folder as its store."""

    def __init__(self, folder: Path, **audit: Any) -> None:
        self.folder = folder
        names = []
        for provider in (WriterOnly, FixedKeys):
            names.append(f"sealed-store-{next(_NUMBERS)}")
            EncryptionProviderFactory.register(names[-1], provider)
        self.writer = EncryptionConfig(provider=names[0], writer_only=True)
        self.reader = EncryptionConfig(provider=names[1])
        self.signing = folder / "signing.key"
        if not self.signing.exists():
            SigningKey.create(self.signing, PASSPHRASE, name="payments")
        self._audit = audit

    def config(self, brokers: str, **audit: Any) -> TelemetryConfig:
        values: dict[str, Any] = {
            "kafka_brokers": brokers,
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 100 if brokers == NOWHERE else 5_000,
            "max_retries": 0 if brokers == NOWHERE else 1,
            "batch_timeout_ms": 5,
            "fallback_object_seconds": 0.2,
            "encryption_config": self.writer,
            "signing_config": {"key_path": self.signing, "passphrase": PASSPHRASE},
            "storage_config": StorageConfig(provider="local_file", base_path=self.folder / "fallback"),
        }
        return TelemetryConfig(
            service_name="payments",
            environment="production",
            audit_config=AuditConfig(**{**values, **self._audit, **audit}),
        )

    def store(self, count: int, **audit: Any) -> list[str]:
        """Log while Kafka is away; return the ids."""
        with Telemetry(self.config(NOWHERE, **audit)) as telemetry:
            receipts = [telemetry.audit.log("paid", {"n": n}, f"user-{n % 3}") for n in range(count)]
        return [receipt.event_id for receipt in receipts]

    def objects(self) -> list[Path]:
        # Folders vanish while a replay empties them, which walking passes by.
        found = [Path(folder, name) for folder, _, names in os.walk(self.folder / "fallback") for name in names]
        return sorted(path for path in found if path.suffix in {".tobj", ".jsonl"})


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def ids_on(config: TelemetryConfig) -> list[str]:
    with KafkaSource(config.audit_config) as source:
        values = [json.loads(record.value or b"") for record in raw_records(source)]
    return [value["id"] for value in values if "sequence" in value]


def test_writer_only_service_replays_what_it_stored(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    stored = service.store(50)
    assert {path.suffix for path in service.objects()} == {".tobj"}
    with EmbeddedKafka() as kafka:
        config = service.config(kafka.bootstrap_servers)
        with Telemetry(config) as telemetry:
            until(lambda: telemetry.audit.get_audit_stats().replayed >= 50, what="the replay")
            assert telemetry.audit.get_audit_stats().unmarked == 0

        assert sorted(ids_on(config)) == sorted(stored)
    assert service.objects() == []
    assert not any("quarantine" in line for line in caplog.messages)


def _log_until_killed(folder: Path, pipe: Connection) -> None:
    service = Service(folder, spool_path=folder / "spool")
    with Telemetry(service.config(NOWHERE)) as telemetry:
        for number in itertools.count():
            pipe.send(telemetry.audit.log("paid", {"n": number}, f"user-{number % 3}", wait_for="durable").event_id)


def test_killed_writer_only_service_replays_all(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    spawning = multiprocessing.get_context("spawn")
    receiving, sending = spawning.Pipe(duplex=False)
    process = spawning.Process(target=_log_until_killed, args=(service.folder, sending))
    process.start()
    sending.close()
    durable = [receiving.recv() for _ in range(100)]
    while len(service.objects()) < 2:
        durable.append(receiving.recv())
    process.kill()
    process.join()
    with EmbeddedKafka() as kafka:
        config = service.config(kafka.bootstrap_servers, spool_path=service.folder / "spool")
        with Telemetry(config) as telemetry:
            until(lambda: not service.objects(), what="the replay")
            until(lambda: telemetry.audit.get_audit_stats().recovered, what="the adoption")

        assert set(durable) <= set(ids_on(config))
        verifier = Verifier([PublicKey.parse(SigningKey.load(service.signing, PASSPHRASE).public_key)])
        with KafkaSource(config.audit_config) as source:
            verifier.observe_all(source)
    report = verifier.report()
    assert report.exit_code == 0, report.findings
    assert not any("quarantine" in line for line in caplog.messages)


def test_replica_without_the_secret_leaves_it_to_others(service: Service, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stored = service.store(10)
    stranger = Service(tmp_path / "other")
    with EmbeddedKafka() as kafka:
        config = stranger.config(
            kafka.bootstrap_servers,
            storage_config=StorageConfig(provider="local_file", base_path=service.folder / "fallback"),
        )
        assert replay_now(config).replayed == 0
        assert service.objects()

        # Listed, its signature counts; its key comes from the key service, where there is the right to unwrap.
        listed = config.model_copy(
            update={
                "audit_config": config.audit_config.model_copy(
                    update={
                        "fallback_sibling_keys": (SigningKey.load(service.signing, PASSPHRASE).public_key,),
                        "encryption_config": stranger.reader,
                    }
                )
            }
        )
        assert replay_now(listed).replayed == 10
        assert sorted(ids_on(config)) == sorted(stored)


def test_readers_open_by_secret_or_key_service(service: Service) -> None:
    stored = service.store(20)
    config = service.config(NOWHERE)
    storage = config.audit_config.storage_config
    assert storage is not None
    with (
        StorageProviderFactory.create(storage) as store,
        EncryptionProviderFactory.create(service.reader) as provider,
    ):
        by_secret = storage_keys_of(config)
        no_signing = config.model_copy(
            update={"audit_config": config.audit_config.model_copy(update={"signing_config": None})}
        )
        by_service = storage_keys_of(no_signing, provider=provider)
        for keys in (by_secret, by_service):
            entries = TrailReader(FallbackSource(store, topic="audit-events", keys=keys), provider=provider)
            assert [entry.event.id for entry in entries if isinstance(entry, OpenedEvent)] == stored
        (damaged, *_) = FallbackSource(store, topic="audit-events")
        assert isinstance(damaged, DamagedRecord)


def test_verifier_without_keys_counts_what_is_held(service: Service) -> None:
    service.store(20)
    config = service.config(NOWHERE)
    storage = config.audit_config.storage_config
    assert storage is not None
    public = PublicKey.parse(SigningKey.load(service.signing, PASSPHRASE).public_key)
    with StorageProviderFactory.create(storage) as store:
        held = [
            entry for entry in FallbackSource(store, topic="audit-events").with_held() if isinstance(entry, HeldEvents)
        ]
        assert sum(len(entry.leaves) // 32 for entry in held) == 20
        assert all(public.verify(entry.signed, entry.signature) for entry in held)
        verifier = Verifier([public])
        verifier.observe_all(FallbackSource(store, topic="audit-events", keys=storage_keys_of(config)).with_held())

    (producer,) = verifier.report().producers
    assert (producer.records, producer.proven) == (20, 20)


def test_old_and_new_form_share_a_store(service: Service) -> None:
    old = service.store(10, fallback_object_format=1)
    new = service.store(10)
    assert {path.suffix for path in service.objects()} == {".tobj", ".jsonl"}
    with EmbeddedKafka() as kafka:
        config = service.config(kafka.bootstrap_servers)
        report = replay_now(config)

        assert (report.replayed, report.unmarked) == (20, 10)
        assert sorted(ids_on(config)) == sorted([*old, *new])


def test_kms_alone_is_said_at_the_start(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        service.store(1, signing_config=None)

    assert any("needs the right to unwrap" in line for line in caplog.messages)
    assert {path.suffix for path in service.objects()} == {".tobj"}
    with EmbeddedKafka() as kafka:
        # It waits where it is: nothing is quarantined because of a missing right.
        with pytest.raises(StorageAccessDeniedError):
            replay_now(service.config(kafka.bootstrap_servers, signing_config=None))
        opened = service.config(kafka.bootstrap_servers, signing_config=None, encryption_config=service.reader)
        assert replay_now(opened).replayed == 1


def test_secret_that_is_too_short_stops_the_start(service: Service) -> None:
    with pytest.raises(ConfigurationError, match="storage_secret"):
        service.store(1, storage_secret="short")


def test_object_of_a_lost_key_is_accepted_by_hand(service: Service, tmp_path: Path) -> None:
    stored = service.store(5, fallback_object_format=1)
    with EmbeddedKafka() as kafka:
        config = service.config(kafka.bootstrap_servers, accept_unmarked_until="2026-01-01")
        assert replay_now(config).replayed == 0
        quarantined = [path for path in service.objects() if "quarantine" in path.parts]
        assert quarantined
        storage = config.audit_config.storage_config
        assert storage is not None
        with ExitStack() as stack:
            store = stack.enter_context(StorageProviderFactory.create(storage))
            keeper = open_keeper(config, store, stack)
            for path in quarantined:
                name = path.relative_to(tmp_path / "fallback").as_posix()
                assert accept_object(store, name, keeper, topic="audit-events") > 0

        assert replay_now(config).replayed == 5
        assert sorted(ids_on(config)) == sorted(stored)
    assert service.objects() == []

"""A signed trail on a broker in this process, and what proves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.config import AuditConfig, SigningConfig, TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.event import AuditEvent
from telemetry.reader import EventFilter, KafkaSource, OpenedEvent
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.trail import open_trail

PASSPHRASE = "correct horse"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTrail:
    """A trail that has ended, and 30 of its events."""

    config: TelemetryConfig
    folder: Path
    public_key: str
    ids: tuple[str, ...]

    @property
    def source(self) -> TrailSource:
        return TrailSource(self.config)

    @property
    def policy(self) -> TrustPolicy:
        return TrustPolicy.of_keys([PublicKey.parse(self.public_key)])

    def replaced(self, config: TelemetryConfig) -> SignedTrail:
        """Return the same trail, read with another configuration."""
        return replace(self, config=config)

    def opened(self, wanted: EventFilter) -> list[AuditEvent]:
        """Return what is on the trail now, opened without a record of that."""
        audit = self.config.audit_config.model_copy(update={"read_audit": "off"})
        config = self.config.model_copy(update={"audit_config": audit})
        with KafkaSource(audit) as source, open_trail(config, source, wanted=wanted) as entries:
            return [entry.event for entry in entries if isinstance(entry, OpenedEvent)]

    def log(self, number: int = 1) -> list[str]:
        """Log some more events, as another process of the service."""
        return _log(self.config, number)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedTrail]:
    folder = tmp_path_factory.mktemp("trail")
    with EmbeddedKafka() as kafka:
        yield signed_trail(kafka, folder)


def signed_trail(kafka: EmbeddedKafka, folder: Path) -> SignedTrail:
    key = SigningKey.create(folder / "signing", PASSPHRASE, name="audit")
    values: dict[str, Any] = {
        "kafka_brokers": kafka.bootstrap_servers,
        "security_protocol": "PLAINTEXT",
        "encryption_config": {"provider": "local_key", "key_path": folder / "key", "passphrase": PASSPHRASE},
        "storage_config": {"provider": "local_file", "base_path": folder / "fallback"},
        "signing_config": {"key_path": folder / "signing", "passphrase": PASSPHRASE, "every_events": 10},
    }
    config = TelemetryConfig(audit_config=AuditConfig(**values))
    return SignedTrail(config=config, folder=folder, public_key=key.public_key, ids=tuple(_log(config, 30)))


def _log(config: TelemetryConfig, count: int) -> list[str]:
    with Telemetry(config) as telemetry:
        return [
            telemetry.audit.log("work", {"number": number}, f"user-{number % 5}").event_id for number in range(count)
        ]


@pytest.fixture(scope="module")
def signing(trail: SignedTrail) -> SigningConfig:
    """The auditor's signing key."""
    SigningKey.create(trail.folder / "auditor", PASSPHRASE, name="auditor")
    return SigningConfig(key_path=trail.folder / "auditor", passphrase=SecretStr(PASSPHRASE))


@pytest.fixture(scope="module")
def policy(trail: SignedTrail, signing: SigningConfig) -> TrustPolicy:
    """Who may sign what: the service its trail, and the auditor packs."""
    auditor = SigningKey.load(signing.key_path, signing.passphrase).public_key
    service = frozenset({Role.SERVICE, Role.READER})
    return TrustPolicy(
        (
            TrustedKey(public=PublicKey.parse(trail.public_key), roles=service, sources=("/*/*",)),
            TrustedKey(public=PublicKey.parse(auditor), roles=frozenset({Role.AUDITOR}), sources=("/*/*",)),
        )
    )

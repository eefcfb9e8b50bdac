"""A process that logs on behalf of several services, and the trail that it writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_keys import storage_keys_of
from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value.event import AuditEvent
from telemetry.reader import DamagedRecord, FallbackSource, KafkaSource, OpenedEvent, RawRecord, TrailReader
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.storage import StorageProviderFactory
from telemetry.sync import Telemetry

GATEWAY = "gateway"
SOURCE = "/test/gateway"
PASSPHRASE = "correct horse battery staple"


class GatewaySite:
    """Configurations of one gateway, and what is on its topic and in its fallback store.

    Args:
        brokers: Bootstrap servers.
        folder: Keys, store and spool.
    """

    def __init__(self, brokers: str, folder: Path) -> None:
        self.folder = folder
        self._brokers = brokers
        path = folder / "signing"
        is_new = not path.exists()
        key = SigningKey.create(path, PASSPHRASE, name="gateway") if is_new else SigningKey.load(path, PASSPHRASE)
        self.public_key = PublicKey.parse(key.public_key)

    def config(self, *, shared: dict[str, Any] | None = None, **changes: Any) -> TelemetryConfig:
        """Return a configuration; ``shared`` is the section ``shared_streams``."""
        values: dict[str, Any] = {
            "kafka_brokers": self._brokers,
            "security_protocol": "PLAINTEXT",
            "batch_timeout_ms": 5,
            "kafka_timeout_ms": 20_000,
            "fallback_object_seconds": 0.2,
            "encryption_config": {
                "provider": "local_key",
                "key_path": self.folder / "key",
                "passphrase": PASSPHRASE,
            },
            "storage_config": {"provider": "local_file", "base_path": self.folder / "fallback"},
            "signing_config": {"key_path": self.folder / "signing", "passphrase": PASSPHRASE},
            "shared_streams": shared or {},
        }
        values |= changes
        if not values.get("fallback_enabled", True):
            del values["storage_config"]
        return TelemetryConfig(service_name=GATEWAY, environment="test", audit_config=AuditConfig(**values))

    @contextmanager
    def running(self, config: TelemetryConfig | None = None, **changes: Any) -> Iterator[Telemetry]:
        """Start a gateway, and shut it down even if the test fails."""
        telemetry = Telemetry(config or self.config(**changes))
        telemetry.start()
        try:
            yield telemetry
        finally:
            telemetry.shutdown(60)

    def records(self) -> list[RawRecord | DamagedRecord]:
        """Return everything that is stored and that is on the topic."""
        config = self.config()
        audit = config.audit_config
        records: list[RawRecord | DamagedRecord] = []
        if audit.storage_config is not None and audit.encryption_config is not None:
            with (
                EncryptionProviderFactory.create(audit.encryption_config) as provider,
                StorageProviderFactory.create(audit.storage_config) as store,
            ):
                keys = storage_keys_of(config, provider=provider)
                # Before the topic: what is replayed meanwhile is then read from the topic.
                records += FallbackSource(store, topic=audit.kafka_topic, keys=keys)
        with KafkaSource(audit) as source:
            records += source
        return records

    def events(self) -> dict[str, list[AuditEvent]]:
        """Return the events by service, decrypted, in the order in which they are read."""
        audit = self.config().audit_config
        assert audit.encryption_config is not None
        found: dict[str, list[AuditEvent]] = defaultdict(list)
        with EncryptionProviderFactory.create(audit.encryption_config) as provider:
            for entry in TrailReader(self.records(), provider=provider):
                assert not isinstance(entry, DamagedRecord)
                if isinstance(entry, OpenedEvent):
                    found[entry.event.service_name].append(entry.event)
        return found

    def checkpoints(self) -> list[Checkpoint]:
        """Return every checkpoint on the topic and in the store."""
        checkpoints = []
        for record in self.records():
            message = (
                decode_checkpoint_message(record.value) if isinstance(record, RawRecord) and record.value else None
            )
            if message is not None:
                checkpoints.append(read_unverified(message.data)[1])
        return checkpoints

    def report(self) -> VerificationReport:
        """Return the verdict on everything, by the gateway's key."""
        rights = [({Role.SERVICE}, SOURCE), ({Role.GATEWAY}, "/test/*")]
        verifier = Verifier(
            TrustPolicy(
                tuple(
                    TrustedKey(public=self.public_key, roles=frozenset(roles), sources=(source,))
                    for roles, source in rights
                )
            )
        )
        verifier.observe_all(self.records())
        return verifier.report()

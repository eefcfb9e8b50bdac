"""Writes an archive of events that can be opened with a local key, some of their fields in the clear."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from telemetry.config import EncryptionConfig, TelemetryConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import source_of
from telemetry.format.value.render import render, render_head, tail_of
from telemetry.reader.entry import Place, RawRecord
from tests.attacks.forge import SealingKey, Writer
from tests.support.archived_trail import ArchivedTrail
from tests.support.written_trail import TOPIC, Signer

PASSPHRASE = "correct horse"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLEAR = ("actor_id", "entity", "entity_id", "action", "outcome", "ip_address")


class ShopProcess(Writer):
    """A process of a service that projects some fields of its events.

    Args:
        number: Of the process.
        provider: Seals its events.
        service: Its service.
        clock: When it begins.
    """

    def __init__(self, number: int, provider: EncryptionProvider, *, service: str, clock: datetime = START) -> None:
        key = SealingKey(provider, source_of("production", service))
        super().__init__(number, service=service, key=key, clock=clock)

    def log(self, event_type: str, user: str, *, clear: tuple[str, ...] = CLEAR, **fields: Any) -> RawRecord:
        """Return the record of the next event, not placed yet."""
        event = AuditEvent(
            id=str(
                uuid.UUID(
                    int=(uuid.UUID(self.producer).int & ~0xFFFFFFFFFFFF) | int(self.producer[-4:]) << 32 | self.sequence
                )
            ),
            time=self.time,
            event_type=event_type,
            user_id=user,
            payload={"order": self.sequence, "note": f"note of {user}"},
            service_name=self.service,
            environment=self.environment,
            producer=self.producer,
            sequence=self.sequence,
            schema_version=1,
            clear_fields=tuple(name for name in clear if name in fields),
            **fields,
        )
        key = self.key
        assert isinstance(key, SealingKey)
        iv = hashlib.sha256(f"{self.producer} {self.sequence}".encode()).digest()[: jwe.IV_BYTES]
        data = jwe.seal(key.cipher, protected=key.protected, iv=iv, plaintext=msgspec.json.encode(event))
        head = render_head(self.source, self.producer, key_uri=key.key_uri, wrapped_key=key.wrapped)
        kafka_key = event.key.encode()
        value = render(head, sequence=self.sequence, key=kafka_key, tail=tail_of(event), data=data, sealed=True)
        self.tree.append(leaf_hash(value))
        self._leaves.append(leaf_hash(value))
        self.sequence += 1
        self.clock += timedelta(seconds=1)
        return RawRecord(kafka_key, value, Place(TOPIC))


class SearchableArchive:
    """An archive in a folder, with the key of its events and a configuration file that records no read.

    Args:
        folder: An empty folder.

    Attributes:
        trail: The archive.
        provider: Seals and opens events.
        file: The configuration file.
        offset: The next offset.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trail = ArchivedTrail(folder / "archive", group_rows=16)
        key = EncryptionConfig(provider="local_key", key_path=folder / "key.json", passphrase=PASSPHRASE)  # type: ignore[arg-type]
        self.provider = EncryptionProviderFactory.create(key)
        self.file = folder / "telemetry.toml"
        self.offset = 0
        self.configure()

    def configure(self, **audit: Any) -> None:
        """Write the configuration file."""
        values = {
            "kafka_brokers": "127.0.0.1:1",
            "security_protocol": "PLAINTEXT",
            "fallback_enabled": False,
            "read_audit": "off",
        }
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in {**values, **audit}.items())]
        lines += [
            "[audit_config.encryption_config]",
            'provider = "local_key"',
            f"passphrase = {json.dumps(PASSPHRASE)}",
        ]
        lines += [f"key_path = {json.dumps(str(self.folder / 'key.json'))}"]
        lines += ["[archive_config]", f"location = {json.dumps((self.folder / 'archive').as_uri())}"]
        self.file.touch(mode=0o600)
        self.file.write_text("\n".join(lines))

    def config(self) -> TelemetryConfig:
        """Return the configuration."""
        return TelemetryConfig.load(self.file)

    def process(self, number: int, *, service: str = "shop", day: int = 0) -> ShopProcess:
        """Return a process that can log."""
        return ShopProcess(number, self.provider, service=service, clock=START + timedelta(days=day))

    def archive(self, records: list[RawRecord], *, day: int = 0) -> None:
        """Archive records in one commit, as if they had been sent on a day."""
        sent = START.timestamp() + 86_400 * day
        placed = [
            record._replace(place=Place(TOPIC, 0, offset), timestamp=sent)
            for offset, record in enumerate(records, start=self.offset)
        ]
        self.offset += len(placed)
        self.trail.append(placed)

    def fill(self) -> None:
        """Archive three commits of two services: events of three users on three days, and their checkpoints."""
        for day in range(3):
            records = []
            for number, service in enumerate(("shop", "clinic")):
                process = self.process(1 + 2 * day + number, service=service, day=day)
                for event in range(20):
                    kind = ("order_created", "order_deleted", "user_login")[event % 3]
                    outcome = ("success", "denied")[event % 2]
                    user = ("alice", "bob", "carol")[event % 3] if event else "wanted"
                    records.append(
                        process.log(kind, user, outcome=outcome, action="read", entity="order", entity_id=str(event))
                    )
                records.append(process.checkpoint(final=True))
            self.archive(records, day=day)

    @property
    def public_key(self) -> str:
        """The key of the services' checkpoints."""
        return str(Signer().public)

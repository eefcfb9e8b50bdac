"""A trail of orders on an embedded Kafka, with the keys of its service, an auditor and a witness, and packs of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.evidence import EvidenceRequest, PackReport, PackSummary, build_pack, verify_pack
from telemetry.evidence.pack.archive import ArchiveWriter
from telemetry.evidence.pack.names import MANIFEST, NOTE
from telemetry.evidence.pack.note import sign_manifest
from telemetry.format.proof.signed_note import Signer
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.trust import TrustPolicy, parse_trust_file
from telemetry.sync import Telemetry
from tests.support.in_process import Ended, run

PASSPHRASE = "correct horse"
TOPIC = "audit-events"

Files = dict[str, bytes]


class EvidenceSite:
    """The trail, and what is needed to file parts of it.

    Args:
        brokers: Kafka.
        folder: Folder for keys and files.
        events: Number of events that are logged.
        topic: Their topic.
        audit: Further settings of the service.

    Attributes:
        now: When packs are written: after the last event.
    """

    def __init__(self, brokers: str, folder: Path, *, events: int, topic: str = TOPIC, **audit: Any) -> None:
        self.brokers = brokers
        self.topic = topic
        self.folder = folder
        self.service = SigningKey.create(folder / "signing", PASSPHRASE, name="shop")
        self.auditor = SigningKey.create(folder / "auditor", PASSPHRASE, name="auditor")
        self.witness = SigningKey.create(folder / "witness", PASSPHRASE, name="witness")
        (folder / "passphrase").write_text(PASSPHRASE)
        (folder / "passphrase").chmod(0o600)
        self.trust = folder / "trust.toml"
        self.now = datetime.now(UTC)
        self.write_trust()
        self.write_config()
        self.log(events, **audit)

    def audit_config(self, **changes: Any) -> AuditConfig:
        values: dict[str, Any] = {
            "kafka_brokers": self.brokers,
            "security_protocol": "PLAINTEXT",
            "kafka_topic": self.topic,
            "kafka_timeout_ms": 20_000,
            "read_audit": "off",
            "encryption_config": {
                "provider": "local_key",
                "key_path": self.folder / "key",
                "passphrase": PASSPHRASE,
            },
            "storage_config": {"provider": "local_file", "base_path": self.folder / "fallback"},
            "signing_config": {"key_path": self.folder / "signing", "passphrase": PASSPHRASE, "every_events": 40},
        }
        return AuditConfig(**{**values, **changes})

    def log(self, events: int, *, first: int = 0, **audit: Any) -> None:
        """Log events of orders as a process of its own that ends with a final checkpoint."""
        config = TelemetryConfig(service_name="shop", audit_config=self.audit_config(**audit))
        with Telemetry(config) as telemetry:
            for number in range(first, first + events):
                telemetry.audit.log(
                    "order_changed" if number % 2 else "order_read",
                    {"number": number, "note": "<script>alert(1)</script>\u202e"},
                    f"user-{number % 7}",
                    entity="order",
                    entity_id=str(number % 50),
                    outcome="success",
                )
        self.now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)

    def write_trust(self, **of_service: str) -> None:
        """Write the trust file; arguments are further members of the service's key."""
        more = "".join(f"{name} = {value}\n" for name, value in of_service.items())
        blocks = [
            f'[[key]]\npublic = "{self.service.public_key}"\nroles = ["service", "reader"]\nsources = ["/*/*"]\n{more}',
            f'[[key]]\npublic = "{self.auditor.public_key}"\nroles = ["auditor"]\n',
            f'[[key]]\npublic = "{self.witness.public_key}"\nroles = ["witness"]\n',
        ]
        self.trust.write_text("\n".join(["version = 1\n", *blocks]))
        self.trust.chmod(0o600)

    def write_config(self, **flat: Any) -> None:
        audit = self.audit_config(**flat)
        values = {
            "kafka_brokers": self.brokers,
            "security_protocol": "PLAINTEXT",
            "kafka_topic": self.topic,
            "kafka_timeout_ms": 20_000,
            "read_audit": audit.read_audit,
        }
        tables = {
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(self.folder / "key"),
                "passphrase": PASSPHRASE,
            },
            "storage_config": {"provider": "local_file", "base_path": str(self.folder / "fallback")},
            "signing_config": {"key_path": str(self.folder / "signing"), "passphrase": PASSPHRASE},
        }
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
        for name, table in tables.items():
            lines += [f"[audit_config.{name}]", *(f"{field} = {json.dumps(value)}" for field, value in table.items())]
        (self.folder / "telemetry.toml").write_text("\n".join(lines))

    def policy(self) -> TrustPolicy:
        return parse_trust_file(self.trust.read_bytes())

    def build(
        self, request: EvidenceRequest, *, signer: Signer | None = None, is_signed: bool = True, **audit: Any
    ) -> tuple[bytes, PackSummary]:
        """Return a pack and what is in it."""
        target = BytesIO()
        summary = build_pack(
            TelemetryConfig(audit_config=self.audit_config(fallback_enabled=False, **audit)),
            request,
            target=target,
            policy=self.policy(),
            signer=(signer or self.auditor) if is_signed else None,
            now=self.now,
            trust_file=self.trust.read_bytes(),
        )
        return target.getvalue(), summary

    def verify(self, pack: bytes, *, opener: RecordOpener | None = None) -> PackReport:
        return verify_pack(BytesIO(pack), policy=self.policy(), opener=opener)

    def write(self, *arguments: str) -> Ended:
        """Run ``telemetry evidence``; the auditor's key signs."""
        return run(
            *("evidence", "-c", str(self.folder / "telemetry.toml"), "--trust", str(self.trust)),
            *("--auditor-key", str(self.folder / "auditor")),
            *("--auditor-passphrase-file", str(self.folder / "passphrase")),
            *arguments,
        )

    def check(self, pack: Path, *arguments: str) -> Ended:
        """Run ``telemetry verify-evidence``."""
        return run("verify-evidence", str(pack), *arguments)


def unpacked(pack: bytes) -> Files:
    """Return names and contents, as another program sees them."""
    with ZipFile(BytesIO(pack)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(files: Mapping[str, bytes]) -> bytes:
    """Return a pack in the one form with these files."""
    target = BytesIO()
    writer = ArchiveWriter(target)
    last = (MANIFEST, NOTE)
    for name in [*sorted(set(files) - set(last)), *(name for name in last if name in files)]:
        writer.add(name, files[name])
    writer.close()
    return target.getvalue()


def relisted(files: Files) -> Files:
    """Return the files with a manifest that lists them as they are; the note stays as it was."""
    manifest = json.loads(files[MANIFEST])
    manifest["files"] = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in sorted(files.items())
        if name not in (MANIFEST, NOTE)
    ]
    return {**files, MANIFEST: json.dumps(manifest).encode()}


def resigned(files: Files, signer: Signer) -> Files:
    """Return the files with a note of a signer."""
    created = json.loads(files[MANIFEST])["created"]
    return {**files, NOTE: sign_manifest(files[MANIFEST], signer, time=created)}


def with_manifest(files: Files, change: Callable[[dict[str, Any]], None]) -> Files:
    """Return the files with another manifest."""
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    return {**files, MANIFEST: json.dumps(manifest).encode()}

"""A spool segment and key files that release 077af88 left are adopted and opened; the segment is not signed."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.audit.spool.adoption import adopt_segments
from telemetry.audit.spool.owner import Owner
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.providers import local_key
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.reader.verify.verifier import Verifier
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, EncryptionConfig, SigningConfig, TelemetryConfig
from tests.support.until import until

FOLDER = Path(__file__).parents[3] / "fixtures" / "spool_segment"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
PASSPHRASE = SecretStr("correct horse battery staple")
TOPIC = "audit-events"


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The old files, copied: adoption deletes the segment, and version control does not keep the modes."""
    folder = tmp_path / "left"
    shutil.copytree(FOLDER, folder)
    for file in [*folder.glob("*.json"), *(folder / "spool").iterdir()]:
        file.chmod(0o600)
    return folder


def keys_of(left: Path) -> EncryptionConfig:
    return EncryptionConfig(provider="local_key", key_path=left / "key.json", passphrase=PASSPHRASE)


def test_old_segment_is_adopted_whole(left: Path) -> None:
    (segment,) = adopt_segments(left / "spool", Owner(TOPIC, "/production/shop"))
    records = [record for chunk in segment.records(lambda _segment: []) for record in chunk]

    assert segment.producer == EXPECTED["producer"]
    assert segment.source == "/production/shop"
    assert [record.event_id for record in records] == EXPECTED["event_ids"]
    assert [record.sequence for record in records] == list(range(40))
    assert segment.tree is not None
    assert segment.tree.size == 40

    segment.acknowledge(records)
    assert list((left / "spool").iterdir()) == []


def test_old_key_files_open(left: Path) -> None:
    facts = local_key.describe(left / "key.json")
    with EncryptionProviderFactory.create(keys_of(left)) as provider:
        provider.check()
        key = provider.generate_data_key({"service": "shop"})
    assert key.key_uri == f"local-key://{facts.public['fingerprint']}"
    assert SigningKey.load(left / "signing.json", PASSPHRASE).name == "shop-audit"


def test_old_segment_is_sent_and_not_signed(left: Path) -> None:
    with EmbeddedKafka(topic=TOPIC) as kafka:
        audit = AuditConfig(
            kafka_brokers=kafka.bootstrap_servers,
            security_protocol="PLAINTEXT",
            fallback_enabled=False,
            encryption_config=keys_of(left),
            signing_config=SigningConfig(key_path=left / "signing.json", passphrase=PASSPHRASE),
            spool_path=left / "spool",
        )
        with Telemetry(TelemetryConfig(service_name="shop", audit_config=audit)) as telemetry:
            until(lambda: telemetry.audit.get_audit_stats().recovered == 40)
            until(lambda: telemetry.audit.get_audit_stats().unmarked == 40)
            telemetry.audit.log("order_placed", {"number": 0}, "user-0")
        with ExitStack() as stack:
            records = list(stack.enter_context(KafkaSource(audit)))
            provider = stack.enter_context(EncryptionProviderFactory.create(keys_of(left)))
            entries = list(TrailReader(records, provider=provider))

    opened = [entry.event for entry in entries if isinstance(entry, OpenedEvent)]
    events = [event for event in opened if event.producer == EXPECTED["producer"]]
    assert [event.id for event in sorted(events, key=lambda event: event.sequence)] == EXPECTED["event_ids"]
    assert {event.payload["note"] for event in events} == {"\N{SNOWMAN} " * 10}
    verifier = Verifier([PublicKey.parse(SigningKey.load(left / "signing.json", PASSPHRASE).public_key)])
    verifier.observe_all(records)
    # Its checksums are no mark: anybody could have written it, so nothing of it is signed now.
    report = verifier.report()
    assert not any(producer.proven for producer in report.producers if producer.producer == EXPECTED["producer"])
    assert report.verdict.exit_code == 0

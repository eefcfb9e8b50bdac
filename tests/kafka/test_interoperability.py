"""Reads a record of a real topic with other people's libraries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from joserfc import jwe
from joserfc.jwk import OctKey

from telemetry.config import AuditConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.format.value.message import parse
from telemetry.sync import Telemetry
from telemetry.types import TelemetryConfig
from tests.services.kafka import KafkaBroker

pytestmark = pytest.mark.services


def test_other_libraries_read_a_record(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    values = kafka.audit_options("SSL") | {
        "kafka_topic": topic,
        "encryption_config": {"provider": "local_key", "key_path": tmp_path / "key", "passphrase": "correct horse"},
        "storage_config": {"provider": "local_file", "base_path": tmp_path / "fallback"},
    }
    config = TelemetryConfig(service_name="shop", environment="test", audit_config=AuditConfig(**values))
    with Telemetry(config) as telemetry:
        receipt = telemetry.audit.log("user_login", {"method": "passkey", "ü": [1, None]}, "ada")
        receipt.wait_delivered(60)
    (record,) = kafka.read(topic)
    key, value = record.key() or b"", record.value() or b""
    headers = {
        str(name): content for name, content in dict(record.headers() or []).items() if isinstance(content, bytes)
    }

    event = from_structured_event(KafkaMessage(headers=headers, key=key, value=value))
    message = parse(value)
    assert config.audit_config.encryption_config is not None
    with EncryptionProviderFactory.create(config.audit_config.encryption_config) as provider:
        data_key = provider.unwrap(message.wrapped_key, message.key_uri, message.context)
    opened = jwe.decrypt_compact(message.data.decode(), OctKey.import_key(data_key))

    assert (event.get_id(), event.get_type(), event.get_source()) == (receipt.event_id, "user_login", "/test/shop")
    assert opened.plaintext is not None
    assert json.loads(opened.plaintext)["payload"] == {"method": "passkey", "ü": [1, None]}
    assert key == b"ada:shop"

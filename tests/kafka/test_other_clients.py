"""Compares with other clients: the Java producer, the console consumer, kcat, and a JOSE library in Java."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.connector import IgnoreReports, KafkaConnector
from telemetry.config import EncryptionConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.format.value.message import context_of
from telemetry.sync import Telemetry
from telemetry.types import TelemetryConfig
from tests.services.kafka import KafkaBroker
from tests.support.java import run_class, run_source
from tests.support.kafka_configs import audit_config, identity

pytestmark = pytest.mark.services

_LIMIT = 60.0
_PASSPHRASE = "other-clients-passphrase"


def _keys() -> list[bytes]:
    chance = random.Random(20260131)  # noqa: S311 - the same keys in every run
    users = [f"user-{number}:payments".encode() for number in range(200)]
    languages = ["käyttäjä:maksut", "用户:付款", "пользователь:платежи", "a", "a:b"]
    noise = [chance.randbytes(length) for length in range(1, 100)]
    return [*users, *(text.encode() for text in languages), *noise]


def test_partitions_are_the_java_producers(kafka: KafkaBroker, topic: str) -> None:
    """So a user's events stay together with any producer."""
    name = f"{topic}-13"
    kafka.create_topic(name, partitions=13)
    kafka.add_acl("payments", name)
    records = [
        SealedRecord.written("", producer="p", sequence=number, key=key, value=b"{}")
        for number, key in enumerate(_keys())
    ]
    config = audit_config(kafka, "SSL", identity(kafka.certificates, "files"), kafka_topic=name)
    transport = KafkaConnector(config).open(IgnoreReports(), name="test-poller")
    transport.send(records)
    assert transport.wait_empty(_LIMIT)
    transport.close()

    output = run_source("Partitions.java", ["13"], stdin="".join(f"{record.key.hex()}\n" for record in records))

    assert [record.partition for record in records] == [int(line) for line in output.split()]
    assert len({record.partition for record in records}) == 13


def _log_one(broker: KafkaBroker, topic: str, folder: Path) -> dict[str, Any]:
    """Log one sealed event; return its value on the topic."""
    config = audit_config(
        broker,
        "SSL",
        identity(broker.certificates, "files"),
        kafka_topic=topic,
        encryption_enabled=True,
        encryption_config={"provider": "local_key", "key_path": folder / "key", "passphrase": _PASSPHRASE},
    )
    telemetry = Telemetry(TelemetryConfig(service_name="payments", environment="test", audit_config=config))
    telemetry.start()
    telemetry.audit.log("login", {"answer": 42, "name": "Zoë"}, "user-1", wait_for="delivered")
    telemetry.shutdown()
    (record,) = broker.read(topic)
    value: dict[str, Any] = msgspec.json.decode(bytes(record.value() or b""))
    return value


def _data_key(value: dict[str, Any], folder: Path) -> bytes:
    config: Any = {"provider": "local_key", "key_path": folder / "key", "passphrase": _PASSPHRASE}
    with EncryptionProviderFactory.create(EncryptionConfig(**config)) as provider:
        return provider.unwrap(base64.b64decode(value["wrappedkey"]), value["keyid"], context_of(value["source"]))


def test_java_opens_an_event(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    value = _log_one(kafka, topic, tmp_path)

    output = run_source("OpenRecord.java", [kafka.bootstrap(), topic], stdin=_data_key(value, tmp_path).hex() + "\n")

    key, event = output.splitlines()
    assert key == "user-1:payments"
    assert json.loads(event)["payload"] == {"answer": 42, "name": "Zoë"}
    assert json.loads(event)["user_id"] == "user-1"


def _read_by_console_consumer(kafka: KafkaBroker, topic: str) -> list[str]:
    where = ["--bootstrap-server", kafka.bootstrap(), "--topic", topic, "--from-beginning"]
    shown = ["--property", "print.key=true", "--property", "print.headers=true"]
    until = ["--max-messages", "1", "--timeout-ms", "30000"]
    output = run_class("org.apache.kafka.tools.consumer.ConsoleConsumer", [*where, *shown, *until])
    return output.strip().split("\t")


def _read_by_kcat(kafka: KafkaBroker, topic: str) -> list[str]:
    own = kafka.certificates.clients["payments"]
    tls = {
        "security.protocol": "SSL",
        "ssl.ca.location": kafka.certificates.ca,
        "ssl.certificate.location": own.certificate,
        "ssl.key.location": own.key,
    }
    settings = [part for name, text in tls.items() for part in ("-X", f"{name}={text}")]
    done = subprocess.run(
        ["kcat", "-b", kafka.bootstrap("SSL"), *settings, "-C", "-t", topic, "-e", "-q", "-f", "%h\t%k\t%s\n"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout.strip().split("\t")


# kcat is no prerequisite of the tests: where it is installed, it has to read the same.
_READERS = [_read_by_console_consumer, *([_read_by_kcat] if shutil.which("kcat") else [])]


@pytest.mark.parametrize("read", _READERS)
def test_common_tool_reads_headers_key_and_value(
    read: Callable[[KafkaBroker, str], list[str]], kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    value = _log_one(kafka, topic, tmp_path)

    headers, key, text = read(kafka, topic)

    assert re.search("content-type[:=]application/cloudevents\\+json; charset=UTF-8", headers)
    assert key == "user-1:payments"
    assert json.loads(text) == value

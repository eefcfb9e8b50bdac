"""Runs the transport alone on a real broker: a refusal fails it at once, and nothing else does."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from telemetry.audit.record import SealedRecord
from telemetry.audit.send.connector import KafkaConnector
from telemetry.audit.send.transport import KafkaTransport
from telemetry.exceptions import ConfigurationError, RecordTooLargeError, TransportAuthorizationError
from telemetry.types import AuditConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.kafka_configs import audit_config, identity
from tests.support.transport_listener import CollectingListener
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 60.0


def _records(count: int, *, size: int = 100) -> list[SealedRecord]:
    return [
        SealedRecord.written(str(uuid.uuid4()), producer="p", sequence=number, key=b"user", value=b"x" * size)
        for number in range(count)
    ]


@contextmanager
def _opened(config: AuditConfig) -> Iterator[tuple[KafkaTransport, list[SealedRecord], threading.Event]]:
    listener = CollectingListener()
    transport = KafkaConnector(config).open(listener, name="test-poller")
    try:
        yield transport, listener.records, listener.failed
    finally:
        transport.take_back()


def _config(broker: KafkaBroker, topic: str, *, client: str = "payments", **fields: Any) -> AuditConfig:
    own = identity(broker.certificates, "files", client=client)
    # A broker that is slow for a while is no failure here.
    fields = {"kafka_timeout_ms": 20_000} | fields
    return audit_config(broker, "SSL", own, kafka_topic=topic, **fields)


def test_fatal_client_error_fails_the_transport(kafka: KafkaBroker, topic: str) -> None:
    """Without any right to write, the cluster refuses the idempotent producer itself."""
    kafka.add_acl("stranger", topic, ["DESCRIBE"])
    records = _records(3)
    with _opened(_config(kafka, topic, client="stranger")) as (transport, delivered, failed):
        transport.send(records)

        assert failed.wait(_LIMIT)
        assert isinstance(transport.failure, TransportAuthorizationError)
        assert transport.take_back() == records
        assert delivered == []


def test_record_above_topic_limit_is_named(kafka: KafkaBroker, topic: str) -> None:
    small = f"{topic}-small"
    kafka.create_topic(small, config={"max.message.bytes": "2000"})
    kafka.add_acl("payments", small)
    with _opened(_config(kafka, small, kafka_options={"compression.type": "none"})) as (transport, _, failed):
        transport.send(_records(1, size=5_000))

        assert failed.wait(_LIMIT)
        assert isinstance(transport.failure, RecordTooLargeError)
        assert "max.message.bytes" in str(transport.failure)


def test_broker_restart_without_traffic_is_harmless(own_kafka: Callable[..., KafkaBroker]) -> None:
    broker = own_kafka()
    with _opened(_config(broker, new_topic(broker))) as (transport, delivered, failed):
        first, later = _records(1), _records(1)
        transport.send(first)
        assert transport.wait_empty(_LIMIT)
        broker.kill()
        until(lambda: transport._watch.down_since is not None, what="the end of the connection")
        assert transport._watch.down_since is not None
        # The outage lasts longer than a record may wait while no broker is reachable.
        transport._watch.down_since -= 600.0
        broker.start()

        transport.send(later)

        assert transport.wait_empty(_LIMIT)
        assert not failed.is_set()
        assert delivered == [*first, *later]


def test_unknown_librdkafka_setting_is_configuration_error(kafka: KafkaBroker, topic: str) -> None:
    with pytest.raises(ConfigurationError, match=r"kafka_options: .*no\.such\.setting"):
        KafkaConnector(_config(kafka, topic, kafka_options={"no.such.setting": 1})).check()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"ssl_key_password": "a-wrong-secret", "form": "encrypted key"}, "kafka_config.ssl_key_location"),
        ({"ssl_key_password": "a-wrong-secret", "form": "keystore"}, "kafka_config.ssl_keystore_location"),
        ({"ssl_ca_pem": "no certificate", "form": "text"}, "kafka_config.ssl_ca_location"),
    ],
    ids=["encrypted key", "keystore", "authorities"],
)
def test_unusable_certificate_is_configuration_error(
    fields: dict[str, Any], named: str, kafka: KafkaBroker, topic: str
) -> None:
    own = identity(kafka.certificates, fields.pop("form")) | fields

    with pytest.raises(ConfigurationError, match=named) as caught:
        KafkaConnector(audit_config(kafka, "SSL", own, kafka_topic=topic)).check()

    assert "a-wrong-secret" not in str(caught.value)


def test_missing_certificate_file_is_configuration_error(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    own = identity(kafka.certificates, "files") | {"ssl_key_location": tmp_path / "absent.key"}

    with pytest.raises(ConfigurationError, match=r"kafka_config\.ssl_key_location"):
        KafkaConnector(audit_config(kafka, "SSL", own, kafka_topic=topic))

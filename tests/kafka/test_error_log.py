"""The library itself logs why Kafka cannot be used: the cause, once, and what to do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telemetry.exceptions import (
    TransportAuthenticationError,
    TransportAuthorizationError,
    TransportError,
    TransportTLSError,
    UnknownTopicError,
)
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.kafka_configs import audit_config, identity, login, stored_in
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 60.0
_PATIENT_MS = 3_000
"""A slow machine takes longer than the shortest time limits, and then makes an outage of its own."""
_LOGIN = login("SCRAM-SHA-256", password="a-wrong-secret")

FAULTS: dict[str, tuple[str, str, type[TransportError]]] = {
    # name: (protocol, word in the error log, class that start() raises where there is no fallback)
    "no client certificate": ("SSL", "no_client_certificate", TransportTLSError),
    "a client of another authority": ("SSL", "unknown_ca", TransportTLSError),
    "an expired client": ("SSL", "expired_certificate", TransportTLSError),
    "a broker of another authority": ("SSL", "unknown_ca", TransportTLSError),
    "a broker of another name": ("SSL", "wrong_host_name", TransportTLSError),
    "an expired broker": ("SSL", "expired_certificate", TransportTLSError),
    "no TLS": ("SSL", "not_tls", TransportTLSError),
    "nothing listens": ("SSL", "unreachable", TransportError),
    "a wrong password": ("SASL_SSL", "check user name, password and mechanism", TransportAuthenticationError),
    "no right": ("SSL", "WRITE and DESCRIBE", TransportAuthorizationError),
    "no topic": ("SSL", "telemetry topic create", UnknownTopicError),
}


def _faulty(broker: KafkaBroker, topic: str, fault: str, *, timeout_ms: int = 300) -> dict[str, Any]:
    certificates = broker.certificates
    broker.add_acl("payments", f"{topic}-absent")
    changes: dict[str, dict[str, Any]] = {
        "no client certificate": {"kafka_config": identity(certificates, "none")},
        "a client of another authority": {"kafka_config": identity(certificates, "files", client="foreign")},
        "an expired client": {"kafka_config": identity(certificates, "files", client="expired")},
        "a broker of another authority": {"listener": "SSL_FOREIGN"},
        "a broker of another name": {"listener": "SSL_WRONG_HOST"},
        "an expired broker": {"listener": "SSL_EXPIRED"},
        "no TLS": {"listener": "PLAINTEXT"},
        "nothing listens": {"kafka_brokers": "127.0.0.1:9"},
        "a wrong password": {"kafka_config": identity(certificates, "none") | _LOGIN},
        "no right": {"kafka_config": identity(certificates, "files", client="stranger")},
        "no topic": {"kafka_topic": f"{topic}-absent"},
    }
    common = {"kafka_config": identity(certificates, "files"), "kafka_topic": topic}
    return common | {"kafka_timeout_ms": timeout_ms, "max_retries": 1} | changes[fault]


@pytest.mark.parametrize("fault", FAULTS)
def test_error_log_names_the_cause(
    fault: str, kafka: KafkaBroker, topic: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    protocol, word, _ = FAULTS[fault]
    config = audit_config(kafka, protocol, **_faulty(kafka, topic, fault), **stored_in(tmp_path))
    telemetry = Telemetry(config)
    telemetry.start()
    try:
        telemetry.audit.log("login", {}, "user-1").wait_delivered(_LIMIT)

        until(lambda: any(word in record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR))
    finally:
        telemetry.shutdown()
    assert "a-wrong-secret" not in caplog.text


@pytest.mark.parametrize("fault", FAULTS)
def test_start_without_fallback_raises_the_cause(fault: str, kafka: KafkaBroker, topic: str) -> None:
    protocol, word, kind = FAULTS[fault]

    # The time limit bounds each step of the examination too: on a slow machine a longer one finds the cause.
    for timeout_ms in (300, 3_000, 15_000):
        with pytest.raises(TransportError) as caught:
            Telemetry(audit_config(kafka, protocol, **_faulty(kafka, topic, fault, timeout_ms=timeout_ms))).start()
        if "[unresponsive]" not in str(caught.value) and "no answer in" not in str(caught.value):
            break

    assert word in str(caught.value)
    assert type(caught.value) is kind


def _outage_config(broker: KafkaBroker, folder: Path) -> AuditConfig:
    fields: dict[str, Any] = {"kafka_timeout_ms": _PATIENT_MS} | stored_in(folder)
    return audit_config(
        broker,
        "SSL",
        identity(broker.certificates, "files"),
        kafka_topic=new_topic(broker),
        **fields,
    )


@pytest.mark.timeout(300)  # a broker is killed and starts again
def test_outage_logs_beginning_and_end(
    own_kafka: Callable[..., KafkaBroker], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broker = own_kafka()
    telemetry = Telemetry(_outage_config(broker, tmp_path))
    telemetry.start()
    audit = telemetry.audit

    def client_lines() -> list[str]:
        return [text for record in caplog.records if (text := record.getMessage()).startswith("kafka client: ")]

    try:
        audit.log("login", {}, "user-1").wait_delivered(_LIMIT)
        assert client_lines() == []
        broker.kill()
        audit.log("login", {}, "user-1").wait_delivered(_LIMIT)
        broker.start()
        until(lambda: audit.get_audit_stats().replayed == 1 and not audit.get_audit_stats().diverted)
        audit.log("login", {}, "user-1").wait_delivered(_LIMIT)
        # One line a minute is logged while an outage lasts, should it last so long here.
        begins, *lasts, ends = client_lines()
    finally:
        telemetry.shutdown()

    assert begins.startswith("kafka client: connection problems: ")
    assert ends.startswith("kafka client: recovered after")
    assert [line for line in lasts if not line.startswith("kafka client: connection problems for")] == []


def test_refusing_kafka_is_asked_less_often(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    """Every probe succeeds and every record is refused: the events must reach the fallback all the same."""
    kafka.add_acl("stranger", topic, ["DESCRIBE"])
    own = identity(kafka.certificates, "files", client="stranger")
    fields: dict[str, Any] = stored_in(tmp_path) | {
        "fallback_object_seconds": 1.5,
        "kafka_topic": topic,
        "kafka_timeout_ms": _PATIENT_MS,
    }
    telemetry = Telemetry(audit_config(kafka, "SSL", own, **fields))
    telemetry.start()
    try:
        receipts = [telemetry.audit.log("login", {}, "user-1") for _ in range(20)]

        assert all(receipt.wait_delivered(_LIMIT).fallback_object for receipt in receipts)
        assert telemetry.audit.get_audit_stats().send_errors < 10
    finally:
        telemetry.shutdown()


def test_too_large_record_does_not_block_rest(
    kafka: KafkaBroker, topic: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = f"{topic}-small"
    kafka.create_topic(small, config={"max.message.bytes": "3000"})
    kafka.add_acl("payments", small)
    own = identity(kafka.certificates, "files")
    fields: dict[str, Any] = stored_in(tmp_path) | {"kafka_topic": small, "kafka_timeout_ms": _PATIENT_MS}
    fields["kafka_options"] = {"compression.type": "none"}
    telemetry = Telemetry(audit_config(kafka, "SSL", own, **fields))
    telemetry.start()
    try:
        for size in (10, 10_000, 10):
            telemetry.audit.log("upload", {"text": "x" * size}, "user-1")

        until(lambda: telemetry.audit.get_audit_stats().rejected == 1)
        until(lambda: len(kafka.read(small)) >= 2)
    finally:
        telemetry.shutdown()

    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert any("raise the topic's max.message.bytes or lower max_event_bytes" in text for text in errors)
    assert list(tmp_path.glob(f"**/rejected/{small}/**/*"))

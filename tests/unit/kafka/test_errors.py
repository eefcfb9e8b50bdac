from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from telemetry.exceptions import (
    ConfigurationError,
    RecordTooLargeError,
    TransportAuthenticationError,
    TransportAuthorizationError,
    TransportError,
    TransportTLSError,
    UnknownTopicError,
)
from telemetry.kafka.errors import client_refused, first_cause, is_consequence, is_poison, reason_of, transport_error

_CLASSES = [
    (KafkaError.MSG_SIZE_TOO_LARGE, RecordTooLargeError, "too_large"),
    (KafkaError.RECORD_LIST_TOO_LARGE, RecordTooLargeError, "too_large"),
    (KafkaError.TOPIC_AUTHORIZATION_FAILED, TransportAuthorizationError, "authorization"),
    (KafkaError.CLUSTER_AUTHORIZATION_FAILED, TransportAuthorizationError, "authorization"),
    (KafkaError._AUTHENTICATION, TransportAuthenticationError, "authentication"),
    (KafkaError.SASL_AUTHENTICATION_FAILED, TransportAuthenticationError, "authentication"),
    (KafkaError.UNSUPPORTED_SASL_MECHANISM, TransportAuthenticationError, "authentication"),
    (KafkaError._SSL, TransportTLSError, "tls"),
    (KafkaError.UNKNOWN_TOPIC_OR_PART, UnknownTopicError, "unknown_topic"),
    (KafkaError._UNKNOWN_TOPIC, UnknownTopicError, "unknown_topic"),
    (KafkaError.TOPIC_EXCEPTION, UnknownTopicError, "unknown_topic"),
    (KafkaError._TRANSPORT, TransportError, "unavailable"),
]


@pytest.mark.parametrize(("code", "kind", "reason"), _CLASSES)
def test_code_has_its_class_and_reason(code: int, kind: type[TransportError], reason: str) -> None:
    error = transport_error(KafkaError(code), "events")

    assert type(error) is kind
    assert reason_of(error) == reason
    assert "'events'" in str(error)
    assert str(error).rpartition("; ")[2]


@pytest.mark.parametrize("code", [KafkaError._FATAL, KafkaError._GAPLESS_GUARANTEE])
def test_ended_client_names_broker_error(code: int) -> None:
    text = f"broker rejected: {KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str()}"

    assert isinstance(transport_error(KafkaError(code, text), "events"), RecordTooLargeError)


def test_text_alone_never_decides_the_class() -> None:
    text = f"timed out after: {KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str()}"

    assert type(transport_error(KafkaError(KafkaError._TIMED_OUT, text), "events")) is TransportError


def test_purged_record_is_a_consequence() -> None:
    refused, purged = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE), KafkaError(KafkaError._PURGE_INFLIGHT)
    assert is_consequence(purged)
    assert not is_consequence(refused)

    assert first_cause([purged, refused]) is refused
    assert first_cause([purged]) is purged


@pytest.mark.parametrize(
    ("error", "is_refused_again"),
    [
        (RecordTooLargeError("large"), True),
        (TransportAuthorizationError("denied"), True),
        (TransportAuthenticationError("password"), False),
        (TransportError("away"), False),
    ],
)
def test_poison_is_refused_again(error: TransportError, *, is_refused_again: bool) -> None:
    assert is_poison(error) is is_refused_again


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Failed to create producer: ssl.keystore.location failed", "kafka_config.ssl_keystore_location"),
        ("Failed to create producer: ssl.key.location failed", "kafka_config.ssl_key_location"),
        ("Failed to create consumer: ssl.ca.location failed", "kafka_config.ssl_ca_location"),
        ('No such configuration property: "no.such"', "kafka_options"),
    ],
)
def test_refused_setting_names_its_field(text: str, field: str) -> None:
    error = client_refused(KafkaException(KafkaError(KafkaError._INVALID_ARG, text)))

    assert isinstance(error, ConfigurationError)
    assert str(error).startswith(f"{field}: cannot be used: ")
    assert "Failed to create" not in str(error)

"""Translates Kafka's error codes into this library's errors."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException

from telemetry.exceptions import (
    ConfigurationError,
    Problem,
    RecordTooLargeError,
    TransportAuthenticationError,
    TransportAuthorizationError,
    TransportError,
    TransportTLSError,
    UnknownTopicError,
)

_CLASSES: dict[int, tuple[type[TransportError], str]] = {
    KafkaError.MSG_SIZE_TOO_LARGE: (
        RecordTooLargeError,
        "raise the topic's max.message.bytes or lower max_event_bytes",
    ),
    KafkaError.RECORD_LIST_TOO_LARGE: (
        RecordTooLargeError,
        "raise the topic's segment.bytes or lower max_event_bytes",
    ),
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (
        TransportAuthorizationError,
        "allow this principal WRITE and DESCRIBE on the topic",
    ),
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: (
        TransportAuthorizationError,
        "allow this principal WRITE and DESCRIBE on the topic, and before Kafka 3.0 IDEMPOTENT_WRITE on the cluster",
    ),
    KafkaError._AUTHENTICATION: (TransportAuthenticationError, "check user name, password and mechanism"),  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED: (
        TransportAuthenticationError,
        "check user name, password and mechanism",
    ),
    KafkaError.UNSUPPORTED_SASL_MECHANISM: (
        TransportAuthenticationError,
        "use a mechanism that the broker offers",
    ),
    KafkaError._SSL: (TransportTLSError, "check the CA, the certificate and the broker's host name"),  # noqa: SLF001
    KafkaError.UNKNOWN_TOPIC_OR_PART: (UnknownTopicError, "create the topic: telemetry topic create"),
    KafkaError._UNKNOWN_TOPIC: (UnknownTopicError, "create the topic: telemetry topic create"),  # noqa: SLF001
    KafkaError.TOPIC_EXCEPTION: (UnknownTopicError, "choose a legal topic name"),
}

_REACH = "check that the brokers are up and reachable"
# librdkafka ends the client and keeps the broker's own error in the text alone.
_ENDS_THE_CLIENT = frozenset((KafkaError._FATAL, KafkaError._GAPLESS_GUARANTEE))  # noqa: SLF001
# Records are reported with these because of what happened to another record, or because the client was purged.
_CONSEQUENCES = _ENDS_THE_CLIENT | {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}  # noqa: SLF001
_POISON = (RecordTooLargeError, TransportAuthorizationError)

# These words are stored in fallback objects and exported as metric attributes: they never change.
_REASONS: dict[type[TransportError], str] = {
    RecordTooLargeError: "too_large",
    TransportAuthorizationError: "authorization",
    TransportAuthenticationError: "authentication",
    TransportTLSError: "tls",
    UnknownTopicError: "unknown_topic",
}
_UNAVAILABLE = "unavailable"
BACKLOG = "backlog"
"""The reason of a diversion from the start: stored objects must be on the topic before the adopted records."""
REASONS = (*_REASONS.values(), _UNAVAILABLE)
"""What :func:`reason_of` returns."""

_TOGETHER = "check that key, certificate and ssl_key_password belong together"
# Text of librdkafka's error, the field that the setting comes from, and what to do; the first match counts.
_SETTINGS = (
    ("ssl.keystore", "kafka_config.ssl_keystore_location", "check the file and ssl_key_password"),
    ("ssl.key.location", "kafka_config.ssl_key_location", _TOGETHER),
    ("ssl.key.pem", "kafka_config.ssl_key_pem", _TOGETHER),
    ("ssl.certificate", "kafka_config.ssl_certificate_location", _TOGETHER),
    ("ssl.ca", "kafka_config.ssl_ca_location", "give the authorities' certificates in PEM format"),
    ("oauthbearer", "kafka_config.oauth_token_url", "check the oauth fields"),
)


def transport_error(error: KafkaError, topic: str) -> TransportError:
    """Return our error for one of Kafka's; the message names the topic, the code, and what to do."""
    kind, remedy = _CLASSES.get(error.code()) or _broker_cause(error) or (TransportError, _REACH)
    return kind(f"Kafka did not accept records for topic {topic!r}: {error.name()} ({error.str()}); {remedy}")


def _broker_cause(error: KafkaError) -> tuple[type[TransportError], str] | None:
    """Return class and remedy of the broker's own error, which one that ends the client has in its text only."""
    if error.code() not in _ENDS_THE_CLIENT:
        return None
    text = error.str()
    return next((entry for code, entry in _CLASSES.items() if KafkaError(code).str() in text), None)


def client_refused(error: KafkaException) -> ConfigurationError:
    """Return our error for settings from which librdkafka creates no client; it names their field."""
    reason = error.args[0]
    text = reason.str() if isinstance(reason, KafkaError) else str(reason)
    text = text.removeprefix("Failed to create producer: ").removeprefix("Failed to create consumer: ")
    for part, field, remedy in _SETTINGS:
        if part in text:
            return ConfigurationError(Problem(field, f"cannot be used: {text}", remedy))
    return ConfigurationError(Problem("kafka_options", f"cannot be used: {text}", "correct or remove the setting"))


def is_consequence(error: KafkaError) -> bool:
    """Return whether a record failed because of what happened to another, or to the client."""
    return error.code() in _CONSEQUENCES


def first_cause(errors: Sequence[KafkaError]) -> KafkaError:
    """Return the error that caused the others: records after a refused one fail because of it."""
    return next((error for error in errors if not is_consequence(error)), errors[0])


def is_poison(error: TransportError) -> bool:
    """Return whether Kafka will refuse the same record again, however often it is sent."""
    return isinstance(error, _POISON)


def reason_of(error: TransportError) -> str:
    """Return one word for the error, for headers of stored objects and for metrics."""
    return _REASONS.get(type(error), _UNAVAILABLE)

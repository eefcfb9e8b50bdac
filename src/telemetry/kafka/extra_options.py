"""Decides which further librdkafka settings a configuration may pass through, and refuses the others by name."""

from __future__ import annotations

from telemetry.config import AuditConfig
from telemetry.exceptions import Problem

_DURABLE = "accepted records must survive the loss of a broker (acks=all)"
_ORDERED = "records of a key must keep their order"
_BOUNDED = "kafka_timeout_ms and max_retries bound delivery"
_REPORTED = "every record's fate must be known"
_PROVEN = "brokers must prove who they are"
_DEFAULTS = "the TLS library's defaults are not lowered"
_NO_CODE = "no code or command is loaded into the process"
_FIELD = "set the field of kafka_config"

_REFUSED: dict[str, str] = {
    "acks": _DURABLE,
    "request.required.acks": _DURABLE,
    "enable.idempotence": "retries must not duplicate or reorder records",
    "enable.gapless.guarantee": "the library keeps the order itself",
    "max.in.flight": "idempotence needs at most 5",
    "max.in.flight.requests.per.connection": "idempotence needs at most 5",
    "queuing.strategy": _ORDERED,
    "msg_order_cmp": _ORDERED,
    "partitioner_cb": _ORDERED,
    "retries": _BOUNDED,
    "message.send.max.retries": _BOUNDED,
    "message.timeout.ms": _BOUNDED,
    "delivery.timeout.ms": _BOUNDED,
    "request.timeout.ms": _BOUNDED,
    "transaction.timeout.ms": "the trail is at least once, never transactional",
    "transactional.id": "the trail is at least once, never transactional",
    "delivery.report.only.error": _REPORTED,
    "dr_cb": _REPORTED,
    "dr_msg_cb": _REPORTED,
    "on_delivery": _REPORTED,
    "produce.offset.report": _REPORTED,
    "enabled_events": _REPORTED,
    "message.max.bytes": "max_event_bytes bounds an event; a lower limit here would reject accepted ones",
    "topic.blacklist": "the trail's own topic must stay in reach",
    "allow.auto.create.topics": "topics are created by `telemetry topic create` only",
    "enable.ssl.certificate.verification": _PROVEN,
    "ssl.endpoint.identification.algorithm": _PROVEN,
    "ssl.certificate.verify_cb": _PROVEN,
    "ssl.cipher.suites": _DEFAULTS,
    "ssl.curves.list": _DEFAULTS,
    "ssl.sigalgs.list": _DEFAULTS,
    "ssl.providers": _NO_CODE,
    "ssl.engine.location": _NO_CODE,
    "ssl.engine.id": _NO_CODE,
    "plugin.library.paths": _NO_CODE,
    "interceptors": _NO_CODE,
    "sasl.kerberos.kinit.cmd": _NO_CODE,
    "sasl.oauthbearer.method": "tokens come from the identity provider",
    "sasl.oauthbearer.config": "tokens come from the identity provider",
    "enable.sasl.oauthbearer.unsecure.jwt": "tokens must be signed",
    "security.protocol": "set security_protocol",
    "bootstrap.servers": "set kafka_brokers",
    "metadata.broker.list": "set kafka_brokers",
    "log.queue": "the client's lines go through logging",
    "default.topic.config": "give its settings one by one",
    "group.id": "the trail is read through telemetry.reader",
}
_REFUSED_PREFIXES: dict[str, str] = {
    "test.": "records must reach real brokers",
    "ssl.": _FIELD,
    "ssl_": _FIELD,
    "sasl.": _FIELD,
    "enable.sasl.": _FIELD,
    "enable.auto.": "the trail is read through telemetry.reader",
}
_REFUSED_ENDINGS: dict[str, str] = {"_cb": "callbacks are the library's own", "opaque": "it is the library's own"}

# These only make the proof stricter, or belong to OIDC beyond the fields of KafkaConfig.
_ALLOWED = frozenset(
    {
        "ssl.crl.location",
        "sasl.oauthbearer.extensions",
        "sasl.oauthbearer.sub.claim.name",
    }
)
# A partitioner that ignores the key would scatter a user's events.
_KEYED_PARTITIONERS = frozenset(
    {"murmur2", "murmur2_random", "consistent", "consistent_random", "fnv1a", "fnv1a_random"}
)
_PRODUCER_ONLY = ("queue.", "linger.", "batch.", "compression.", "partitioner", "sticky.", "message.")


def refused_settings(config: AuditConfig) -> list[Problem]:
    """Return a problem for each setting of ``kafka_options`` that would weaken a promise."""
    problems = []
    for name, value in config.kafka_options.items():
        reason = _refusal(name, value)
        if reason is not None:
            problems.append(Problem(f"kafka_options.{name}", f"is refused: {reason}", "remove it"))
    return problems


def passed_to_every_client(config: AuditConfig) -> dict[str, str | int | float | bool]:
    """Return the settings that concern connections, for producers and consumers alike."""
    return {name: value for name, value in config.kafka_options.items() if not name.startswith(_PRODUCER_ONLY)}


def _refusal(name: str, value: object) -> str | None:
    # From the exact to the general: an allowed name may begin like a refused one.
    if name == "partitioner" and value not in _KEYED_PARTITIONERS:
        return f"{_ORDERED}; a partitioner by key is one of {', '.join(sorted(_KEYED_PARTITIONERS))}"
    if name in _ALLOWED:
        return None
    if name in _REFUSED:
        return _REFUSED[name]
    for prefix, reason in _REFUSED_PREFIXES.items():
        if name.startswith(prefix):
            return reason
    return next((reason for ending, reason in _REFUSED_ENDINGS.items() if name.endswith(ending)), None)

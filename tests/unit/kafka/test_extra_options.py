"""A configuration passes settings to librdkafka, except those that weaken a promise."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.config import AuditConfig
from telemetry.exceptions import ConfigurationError
from telemetry.kafka.options import common_options, consumer_options, producer_options


def _config(**fields: Any) -> AuditConfig:
    values: dict[str, Any] = {
        "kafka_brokers": "127.0.0.1:9",
        "encryption_enabled": False,
        "fallback_enabled": False,
        **fields,
    }
    return AuditConfig(**values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("acks", 1),
        ("request.required.acks", "1"),
        ("enable.idempotence", False),
        ("enable.gapless.guarantee", False),
        ("max.in.flight", 100),
        ("max.in.flight.requests.per.connection", 100),
        ("queuing.strategy", "lifo"),
        ("partitioner", "random"),
        ("partitioner", "nonsense"),
        ("retries", 0),
        ("message.send.max.retries", 0),
        ("message.timeout.ms", 1),
        ("delivery.timeout.ms", 1),
        ("request.timeout.ms", 1),
        ("transactional.id", "t"),
        ("delivery.report.only.error", True),
        ("message.max.bytes", 1_000),
        ("test.mock.num.brokers", 1),
        ("allow.auto.create.topics", True),
        ("enable.ssl.certificate.verification", False),
        ("ssl.endpoint.identification.algorithm", "none"),
        ("ssl.cipher.suites", "NULL"),
        ("ssl.curves.list", "P-192"),
        ("ssl.sigalgs.list", "RSA+MD5"),
        ("ssl.providers", "legacy"),
        ("ssl.engine.location", "/tmp/x.so"),  # noqa: S108 - refused before anything is opened
        ("ssl.ca.location", "probe"),
        ("ssl_ca", "x"),
        ("plugin.library.paths", "x.so"),
        ("sasl.kerberos.kinit.cmd", "true"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", "x"),
        ("sasl.oauthbearer.method", "default"),
        ("sasl.oauthbearer.config", "principal=admin"),
        ("sasl.oauthbearer.token.endpoint.url", "http://elsewhere.example"),
        ("enable.sasl.oauthbearer.unsecure.jwt", True),
        ("security.protocol", "PLAINTEXT"),
        ("bootstrap.servers", "elsewhere:9092"),
        ("metadata.broker.list", "elsewhere:9092"),
        ("error_cb", 1),
        ("dr_msg_cb", 1),
        ("opaque", 1),
    ],
)
def test_weakening_setting_is_refused_by_name(name: str, value: object) -> None:
    config = _config(kafka_options={name: value})

    for options in (common_options, producer_options, consumer_options):
        with pytest.raises(ConfigurationError) as caught:
            options(config)
        assert [problem.field for problem in caught.value.problems] == [f"kafka_options.{name}"]
        assert "is refused" in str(caught.value)


def test_all_refused_settings_are_named_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        producer_options(_config(kafka_options={"acks": 1, "retries": 0, "linger.ms": 1}))

    assert [problem.field for problem in caught.value.problems] == ["kafka_options.acks", "kafka_options.retries"]


def test_harmless_settings_pass_to_their_clients() -> None:
    given: dict[str, Any] = {
        "linger.ms": 20,
        "compression.type": "zstd",
        "batch.size": 100_000,
        "partitioner": "consistent_random",
        "client.rack": "a",
        "socket.keepalive.enable": True,
        "https.ca.location": "/etc/ca.pem",
        "ssl.crl.location": "/etc/crl.pem",
        "sasl.oauthbearer.extensions": "logicalCluster=a",
        "socket.timeout.ms": 1_234,
    }
    config = _config(kafka_options=given)

    producing, consuming = producer_options(config), consumer_options(config)

    assert {name: producing[name] for name in given} == given
    shared = given.keys() - {"linger.ms", "compression.type", "batch.size", "partitioner"}
    assert {name: consuming[name] for name in shared} == {name: given[name] for name in shared}
    assert not consuming.keys() & {"linger.ms", "compression.type", "batch.size", "partitioner"}


def test_every_producer_keeps_the_promises() -> None:
    options = producer_options(_config())

    assert options["enable.idempotence"] is True
    assert options["enable.gapless.guarantee"] is True
    assert options["acks"] == "all"
    assert options["message.timeout.ms"] == 0
    assert options["allow.auto.create.topics"] is False
    assert options["partitioner"] == "murmur2_random"
    assert options["ssl.endpoint.identification.algorithm"] == "https"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://identity.example/token", "unencrypted"),
        ("ftp://identity.example/token", "https"),
        ("", "empty"),
        ("https://identity.example/token", None),
        ("http://127.0.0.1:8080/token", None),
        ("http://localhost:8080/token", None),
    ],
)
def test_client_secret_never_travels_unencrypted(url: str, reason: str | None) -> None:
    kafka = {
        "mechanism": "OAUTHBEARER",
        "oauth_token_url": url,
        "oauth_client_id": "c",
        "oauth_client_secret": "a-secret",
    }
    config = _config(kafka_config=kafka)
    if reason is None:
        assert common_options(config)["sasl.oauthbearer.token.endpoint.url"] == url
        return
    with pytest.raises(ConfigurationError, match=reason) as caught:
        common_options(config)
    assert "a-secret" not in str(caught.value)

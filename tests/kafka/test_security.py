"""Uses each form of credentials in the whole library: events arrive, and no protection is lowered."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from telemetry.kafka import certificate_files as rotation
from telemetry.kafka.diagnose.diagnosis import Kind
from telemetry.kafka.diagnose.examination import diagnose
from telemetry.sync import Telemetry
from tests.services.fixtures import new_topic
from tests.services.identity_provider import AUDIENCE, CLIENT_ID, CLIENT_SECRET, ISSUER, IdentityProvider
from tests.services.kafka import KafkaBroker
from tests.support.kafka_configs import audit_config, identity, login, stored_in
from tests.support.until import until

pytestmark = pytest.mark.services

_LIMIT = 60.0
_CREDENTIALS = [
    *(("SSL", form) for form in ("files", "text", "encrypted text", "keystore", "encrypted key")),
    *(
        (protocol, mechanism)
        for protocol in ("SASL_SSL", "SASL_PLAINTEXT")
        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
    ),
]


def _credentials(broker: KafkaBroker, protocol: str, how: str) -> dict[str, Any]:
    if protocol == "SSL":
        return identity(broker.certificates, how)
    return login(how) | (identity(broker.certificates, "none") if protocol == "SASL_SSL" else {})


@pytest.mark.parametrize(("protocol", "how"), _CREDENTIALS)
def test_events_arrive(protocol: str, how: str, kafka: KafkaBroker, topic: str) -> None:
    telemetry = Telemetry(audit_config(kafka, protocol, _credentials(kafka, protocol, how), kafka_topic=topic))
    telemetry.start()
    try:
        receipt = telemetry.audit.log("login", {"n": 1}, "user-1", wait_for="delivered")
    finally:
        telemetry.shutdown()

    (record,) = kafka.read(topic)
    assert msgspec.json.decode(bytes(record.value() or b""))["id"] == receipt.event_id


class _Rotated:
    """A client certificate in a folder where it can be replaced, key and certificate one after the other."""

    def __init__(self, broker: KafkaBroker, folder: Path) -> None:
        self._clients = broker.certificates.clients
        self.certificate, self.key = folder / "client.pem", folder / "client.key"
        self.put_certificate("payments")
        self.put_key("payments")
        self.fields = {
            "ssl_ca_location": broker.certificates.ca,
            "ssl_certificate_location": self.certificate,
            "ssl_key_location": self.key,
        }

    def put_certificate(self, client: str) -> None:
        self._replace(self._clients[client].certificate, self.certificate)

    def put_key(self, client: str) -> None:
        self._replace(self._clients[client].key, self.key)

    def _replace(self, source: Path, target: Path) -> None:
        fresh = target.with_suffix(".new")
        shutil.copy(source, fresh)  # with its mode: nobody else may read a key
        fresh.rename(target)


def _deny(broker: KafkaBroker, principal: str, topic: str) -> None:
    rule = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, f"User:{principal}", "*")
    denied = AclBinding(*rule, AclOperation.WRITE, AclPermissionType.DENY)
    admin = broker.admin()
    for future in admin.create_acls([denied]).values():
        future.result(_LIMIT)


def test_replaced_certificate_needs_no_restart(
    kafka: KafkaBroker, topic: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events flow all the time; in the end only the new certificate's principal may write."""
    monkeypatch.setattr(rotation, "CHECK_SECONDS", 0.05)
    caplog.set_level(logging.INFO)
    kafka.add_acl("stranger", topic)
    files = _Rotated(kafka, tmp_path)
    telemetry = Telemetry(
        audit_config(kafka, "SSL", files.fields, kafka_topic=topic, **stored_in(tmp_path / "fallback"))
    )
    telemetry.start()
    audit, stop = telemetry.audit, threading.Event()

    def log_all_the_time() -> None:
        number = 0
        while not stop.is_set():
            audit.log("step", {"number": number}, "user-1", wait_for="delivered")
            number += 1

    writer = threading.Thread(target=log_all_the_time)
    writer.start()
    try:
        files.put_certificate("stranger")
        _until_logged(caplog, "cannot be used yet")
        assert audit.log("login", {}, "user-2").wait_delivered(_LIMIT).topic == topic
        files.put_key("stranger")
        _until_logged(caplog, "certificate files were replaced")
        _deny(kafka, "payments", topic)
        delivery = audit.log("login", {}, "user-2").wait_delivered(_LIMIT)
    finally:
        stop.set()
        writer.join(_LIMIT)
        report = telemetry.shutdown()

    assert delivery.topic == topic
    assert report.stored == 0
    steps = [data["payload"]["number"] for data in _events(kafka, topic) if data["event_type"] == "step"]
    assert steps == list(range(len(steps)))
    assert len(steps) > 2


def _until_logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    until(lambda: words in caplog.text, what=f"{words!r} in the log", state=lambda: caplog.text)


def _events(broker: KafkaBroker, topic: str) -> Iterator[dict[str, Any]]:
    for record in broker.read(topic):
        yield msgspec.json.decode(bytes(record.value() or b""))["data"]


def test_damaged_certificate_during_an_outage(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    """Recovery opens a new connection: with unusable files it is tried again, and succeeds once they are whole."""
    broker = own_kafka()
    topic = new_topic(broker)
    files = _Rotated(broker, tmp_path)
    fields = stored_in(tmp_path / "fallback") | {"kafka_timeout_ms": 500}
    telemetry = Telemetry(audit_config(broker, "SSL", files.fields, kafka_topic=topic, **fields))
    telemetry.start()
    try:
        broker.kill()
        assert telemetry.audit.log("login", {}, "user-1").wait_delivered(_LIMIT).fallback_object
        files.key.write_bytes(b"-----BEGIN half a file")
        broker.start()
        assert telemetry.audit.log("login", {}, "user-1").wait_delivered(_LIMIT).fallback_object

        files.put_key("payments")

        until(lambda: telemetry.audit.get_audit_stats().replayed == 2, state=telemetry.audit.get_audit_stats)
    finally:
        telemetry.shutdown()
    assert len(broker.read(topic)) == 2


@pytest.fixture
def provider(kafka: KafkaBroker, tmp_path: Path) -> Iterator[IdentityProvider]:
    with IdentityProvider(kafka.certificates.server, tmp_path / "jwks.json", subject="alice") as running:
        yield running


def _oauth_broker(own_kafka: Callable[..., KafkaBroker], kafka: KafkaBroker, jwks: Path) -> KafkaBroker:
    listener = "listener.name.sasl_ssl."
    module = "org.apache.kafka.common.security.oauthbearer"
    return own_kafka(
        certificates=kafka.certificates,
        options={
            f"{listener}sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{listener}oauthbearer.sasl.jaas.config": f"{module}.OAuthBearerLoginModule required;",
            f"{listener}oauthbearer.sasl.server.callback.handler.class": f"{module}.OAuthBearerValidatorCallbackHandler",
            # Named, because the default of Kafka 4.1 looks at claims only and not at the signature.
            "sasl.oauthbearer.jwt.validator.class": f"{module}.BrokerJwtValidator",
            "sasl.oauthbearer.jwks.endpoint.url": jwks.as_uri(),
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            "sasl.oauthbearer.expected.issuer": ISSUER,
        },
        java_options=[f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={jwks.as_uri()}"],
    )


def test_identity_token_gets_in(
    own_kafka: Callable[..., KafkaBroker], kafka: KafkaBroker, provider: IdentityProvider, tmp_path: Path
) -> None:
    broker = _oauth_broker(own_kafka, kafka, tmp_path / "jwks.json")
    topic = new_topic(broker)
    fields: dict[str, Any] = {
        "mechanism": "OAUTHBEARER",
        "oauth_token_url": provider.token_url,
        "oauth_client_id": CLIENT_ID,
        "oauth_client_secret": CLIENT_SECRET,
    }
    options: dict[str, Any] = {"kafka_topic": topic, "kafka_options": {"https.ca.location": str(kafka.certificates.ca)}}

    def config(**changes: Any) -> Any:
        return audit_config(broker, "SASL_SSL", identity(kafka.certificates, "none") | fields | changes, **options)

    telemetry = Telemetry(config())
    telemetry.start()
    try:
        telemetry.audit.log("login", {}, "user-1", wait_for="delivered")
    finally:
        telemetry.shutdown()
    assert len(broker.read(topic)) == 1
    assert provider.issued > 0
    assert diagnose(config()).kind is Kind.OK

    wrong_secret = diagnose(config(oauth_client_secret="a-wrong-secret"))
    assert wrong_secret.kind is Kind.NO_TOKEN
    assert "a-wrong-secret" not in str(wrong_secret)
    assert diagnose(config(oauth_token_url="https://127.0.0.1:9/token")).kind is Kind.NO_TOKEN
    provider.change_key()
    assert diagnose(config()).kind is Kind.WRONG_PASSWORD

"""Diagnoses every way to be let in or kept out by a real broker: each cause has its own name."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from telemetry.kafka.diagnose.diagnosis import Kind
from telemetry.kafka.diagnose.examination import diagnose
from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker, Protocol
from tests.services.ports import free_ports
from tests.support.kafka_configs import audit_config, identity, login

pytestmark = pytest.mark.services

_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_STEP_SECONDS = 30.0
_SECRETS = ("alice-secret", "nobody-secret", "key-secret", "a-wrong-secret")


@dataclass(frozen=True)
class Case:
    """One configuration on one listener.

    Attributes:
        protocol: ``security_protocol``.
        expected: Cause that must be named.
        what: Fault, for the name of the test.
        listener: Another listener of the broker than that of the protocol, or a server of this module.
        certificate: Form and owner of the client certificate.
        sasl: Arguments of ``login``.
        topic: Name in the fixture ``topics``.
        fields: Further fields of ``AuditConfig``.
        kafka: Further fields of ``KafkaConfig``.
    """

    protocol: str
    expected: Kind
    what: str
    listener: str | None = None
    certificate: tuple[str, str] | None = None
    sasl: dict[str, Any] | None = None
    topic: str = "open"
    fields: dict[str, Any] = field(default_factory=dict)
    kafka: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        mechanism = self.sasl["mechanism"] if self.sasl else "certificate" if self.certificate else "anonymous"
        return f"{self.protocol}-{mechanism}-{self.what}".replace(" ", "_")


def _tls(expected: Kind, what: str, *, form: str = "files", client: str = "payments", **more: Any) -> Case:
    return Case("SSL", expected, what, certificate=(form, client), **more)


def _sasl(
    protocol: str, mechanism: str, expected: Kind, what: str, *, who: dict[str, str] | None = None, **more: Any
) -> Case:
    return Case(protocol, expected, what, sasl={"mechanism": mechanism, **(who or {})}, **more)


_WRONG = {"password": "a-wrong-secret"}
_OAUTH = {
    "mechanism": "OAUTHBEARER",
    "oauth_token_url": "http://127.0.0.1:9/token",
    "oauth_client_id": "payments",
    "oauth_client_secret": "a-wrong-secret",
}
_BIG = {"max_event_bytes": 4 << 20}

CASES = [
    Case("PLAINTEXT", Kind.OK, "all well"),
    *(
        _tls(Kind.OK, f"all well with {form}", form=form)
        for form in ("files", "text", "encrypted text", "keystore", "encrypted key")
    ),
    *(
        _sasl(protocol, mechanism, Kind.OK, "all well")
        for protocol in ("SASL_SSL", "SASL_PLAINTEXT")
        for mechanism in _MECHANISMS
    ),
    Case("PLAINTEXT", Kind.UNREACHABLE, "nothing listens", listener="nothing"),
    _tls(Kind.UNREACHABLE, "nothing listens", listener="nothing"),
    _sasl("SASL_SSL", "PLAIN", Kind.UNREACHABLE, "nothing listens", listener="nothing"),
    Case("PLAINTEXT", Kind.UNRESPONSIVE, "a server that is silent", listener="silent"),
    _tls(Kind.UNRESPONSIVE, "a server that is silent", listener="silent"),
    Case("PLAINTEXT", Kind.NOT_KAFKA, "a web server", listener="web"),
    _tls(Kind.NOT_TLS, "a web server", listener="web"),
    _tls(Kind.NOT_TLS, "a plaintext listener", listener="PLAINTEXT"),
    _sasl("SASL_SSL", "SCRAM-SHA-512", Kind.NOT_TLS, "a plaintext listener", listener="SASL_PLAINTEXT"),
    Case("PLAINTEXT", Kind.TLS_EXPECTED, "a TLS listener", listener="SSL"),
    _sasl("SASL_PLAINTEXT", "PLAIN", Kind.TLS_EXPECTED, "a TLS listener", listener="SASL_SSL"),
    _tls(Kind.NO_CLIENT_CERTIFICATE, "no certificate", form="none"),
    _tls(Kind.UNKNOWN_CA, "a broker of another authority", listener="SSL_FOREIGN"),
    _tls(Kind.UNKNOWN_CA, "a client of another authority", client="foreign"),
    _tls(Kind.UNKNOWN_CA, "another authority configured", kafka={"ssl_ca_location": "foreign"}),
    _sasl("SASL_SSL", "PLAIN", Kind.UNKNOWN_CA, "another authority configured", kafka={"ssl_ca_location": "foreign"}),
    _tls(Kind.WRONG_HOST_NAME, "a broker of another name", listener="SSL_WRONG_HOST"),
    _tls(Kind.EXPIRED_CERTIFICATE, "an expired broker", listener="SSL_EXPIRED"),
    _tls(Kind.EXPIRED_CERTIFICATE, "an expired client", client="expired"),
    _tls(
        Kind.UNUSABLE_CERTIFICATE,
        "a wrong key password",
        form="encrypted key",
        kafka={"ssl_key_password": "a-wrong-secret"},
    ),
    _tls(
        Kind.UNUSABLE_CERTIFICATE,
        "a wrong keystore password",
        form="keystore",
        kafka={"ssl_key_password": "a-wrong-secret"},
    ),
    _tls(Kind.UNUSABLE_CERTIFICATE, "the key of another", kafka={"ssl_key_location": "stranger"}),
    *(
        _sasl(protocol, mechanism, Kind.WRONG_PASSWORD, "a wrong password", who=_WRONG)
        for protocol in ("SASL_SSL", "SASL_PLAINTEXT")
        for mechanism in _MECHANISMS
    ),
    Case("SASL_SSL", Kind.UNSUPPORTED_MECHANISM, "a mechanism not offered", kafka=_OAUTH),
    Case("SSL", Kind.SASL_EXPECTED, "a SASL listener", listener="SASL_SSL", certificate=("files", "payments")),
    Case("PLAINTEXT", Kind.SASL_EXPECTED, "a SASL listener", listener="SASL_PLAINTEXT"),
    _sasl(
        "SASL_SSL", "PLAIN", Kind.SASL_NOT_OFFERED, "no SASL there", listener="SSL", certificate=("files", "payments")
    ),
    _sasl("SASL_PLAINTEXT", "SCRAM-SHA-256", Kind.SASL_NOT_OFFERED, "no SASL there", listener="PLAINTEXT"),
    _tls(Kind.NO_ACL, "no right at all", client="stranger"),
    _tls(Kind.NO_ACL, "the right to see only", client="stranger", topic="seen"),
    _sasl("SASL_SSL", "PLAIN", Kind.NO_ACL, "no right at all", who={"user": "nobody"}),
    _sasl("SASL_PLAINTEXT", "SCRAM-SHA-512", Kind.NO_ACL, "no right at all", who={"user": "nobody"}),
    Case("PLAINTEXT", Kind.UNKNOWN_TOPIC, "no such topic", topic="absent"),
    _tls(Kind.UNKNOWN_TOPIC, "no such topic", topic="absent"),
    _sasl("SASL_SSL", "SCRAM-SHA-256", Kind.UNKNOWN_TOPIC, "no such topic", topic="absent"),
    Case("PLAINTEXT", Kind.RECORD_TOO_LARGE, "events larger than the topic accepts", fields=_BIG),
    _tls(Kind.RECORD_TOO_LARGE, "events larger than the topic accepts", topic="described", fields=_BIG),
    Case("PLAINTEXT", Kind.TOO_FEW_REPLICAS, "fewer replicas than acks=all requires", topic="thin"),
    _sasl("SASL_SSL", "PLAIN", Kind.CONFIGURATION, "an empty password", who={"password": ""}),
    Case("PLAINTEXT", Kind.CONFIGURATION, "a refused setting", fields={"kafka_options": {"acks": 1}}),
    Case("PLAINTEXT", Kind.CONFIGURATION, "a setting that does not exist", fields={"kafka_options": {"no.such": 1}}),
]


def _answer(listener: socket.socket, answer: bytes) -> None:
    with closing(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                if not answer:
                    connection.recv(4_096)
                    connection.recv(4_096)
                    continue
                connection.recv(4_096)
                connection.sendall(answer)


def _serve(answer: bytes) -> tuple[socket.socket, int]:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer, args=(listener, answer), daemon=True).start()
    return listener, listener.getsockname()[1]


@pytest.fixture(scope="module")
def places(kafka: KafkaBroker) -> Iterator[Callable[[str], str]]:
    """Return a function from a name to the address of a listener, or of a server that is no broker."""
    silent, silent_port = _serve(b"")
    web, web_port = _serve(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    others = {"silent": silent_port, "web": web_port, "nothing": free_ports(1)[0]}

    def address(name: str) -> str:
        if name in others:
            return f"127.0.0.1:{others[name]}"
        listener: Protocol = name  # type: ignore[assignment]
        return kafka.bootstrap(listener)

    yield address
    for listener in (silent, web):
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def topics(kafka: KafkaBroker) -> dict[str, str]:
    names = {name: new_topic(kafka) for name in ("open", "seen", "described")}
    kafka.add_acl("stranger", names["seen"], ["DESCRIBE"])
    kafka.add_acl("payments", names["described"], ["DESCRIBE_CONFIGS"])
    names["absent"] = f"{names['open']}-absent"
    for principal in ("payments", "alice"):
        kafka.add_acl(principal, names["absent"])
    names["thin"] = f"{names['open']}-thin"
    kafka.create_topic(names["thin"], config={"min.insync.replicas": "2"})
    return names


def _kafka_config(case: Case, broker: KafkaBroker) -> dict[str, Any] | None:
    certificates = broker.certificates
    fields: dict[str, Any] = {}
    if case.certificate is not None:
        form, client = case.certificate
        fields |= identity(certificates, form, client=client)
    elif case.protocol.endswith("SSL"):
        fields |= identity(certificates, "none")
    if case.sasl is not None:
        fields |= login(**case.sasl)
    replaced = {
        ("ssl_ca_location", "foreign"): certificates.foreign_ca,
        ("ssl_key_location", "stranger"): certificates.clients["stranger"].key,
    }
    fields |= {name: replaced.get((name, value), value) for name, value in case.kafka.items()}
    return fields or None


@pytest.mark.parametrize("case", CASES, ids=str)
def test_cause_is_named(case: Case, kafka: KafkaBroker, places: Callable[[str], str], topics: dict[str, str]) -> None:
    config = audit_config(
        kafka,
        case.protocol,
        _kafka_config(case, kafka),
        kafka_brokers=places(case.listener or case.protocol),
        kafka_topic=topics[case.topic],
        **case.fields,
    )

    # Only silence takes the whole time: a patient limit costs the other cases nothing.
    diagnosis = diagnose(config, timeout=1.0 if case.expected is Kind.UNRESPONSIVE else _STEP_SECONDS)

    assert diagnosis.kind is case.expected, str(diagnosis)
    assert diagnosis.is_ok or diagnosis.remedy
    assert not any(secret in str(diagnosis) for secret in _SECRETS)


def test_matrix_has_promised_size() -> None:
    assert len({str(case) for case in CASES}) == len(CASES) >= 30

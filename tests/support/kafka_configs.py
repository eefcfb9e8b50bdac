"""Configures clients of a broker of the tests, in each of the ways in which a company may set it up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from telemetry.types import AuditConfig
from tests.services.certificates import KEY_PASSWORD, Certificates
from tests.services.kafka import USERS, KafkaBroker, Protocol

PATIENT: dict[str, Any] = {"kafka_timeout_ms": 15_000, "max_retries": 1}
"""A busy machine must not cause an outage of its own: a test that is about an outage sets shorter limits."""


def identity(certificates: Certificates, form: str, *, client: str = "payments") -> dict[str, Any]:
    """Return the fields of ``KafkaConfig`` for a client certificate: as files, text, keystore, under a password, or none."""
    own = certificates.clients[client]
    fields: dict[str, Any] = {"ssl_ca_location": certificates.ca}
    files = {"ssl_certificate_location": own.certificate, "ssl_key_location": own.key}
    match form:
        case "none":
            return fields
        case "files":
            return fields | files
        case "encrypted key":
            return fields | files | {"ssl_key_location": own.encrypted_key, "ssl_key_password": KEY_PASSWORD}
        case "keystore":
            return fields | {"ssl_keystore_location": own.keystore, "ssl_key_password": KEY_PASSWORD}
        case "text" | "encrypted text":
            key = own.key if form == "text" else own.encrypted_key
            texts = {"ssl_certificate_pem": own.certificate.read_text(), "ssl_key_pem": key.read_text()}
            password = {} if form == "text" else {"ssl_key_password": KEY_PASSWORD}
            return {"ssl_ca_pem": certificates.ca.read_text()} | texts | password
    raise ValueError(form)


def login(mechanism: str, *, user: str = "alice", password: str | None = None) -> dict[str, Any]:
    """Return the fields of ``KafkaConfig`` for SASL."""
    return {"username": user, "password": USERS[user] if password is None else password, "mechanism": mechanism}


def audit_config(
    broker: KafkaBroker,
    protocol: str,
    kafka_config: dict[str, Any] | None = None,
    *,
    listener: Protocol | None = None,
    **fields: Any,
) -> AuditConfig:
    """Return a configuration without encryption and without fallback, unless ``fields`` says otherwise."""
    values: dict[str, Any] = {
        "kafka_brokers": fields.get("kafka_brokers") or broker.bootstrap(listener or protocol),  # type: ignore[arg-type]
        "security_protocol": protocol,
        "kafka_config": kafka_config,
        "encryption_enabled": False,
        "fallback_enabled": False,
        **PATIENT,
        **fields,
    }
    return AuditConfig(**values)


def stored_in(folder: Path) -> dict[str, Any]:
    """Return the fields of ``AuditConfig`` for a fallback in a folder that fills quickly."""
    return {
        "fallback_enabled": True,
        "storage_config": {"provider": "local_file", "base_path": folder},
        "fallback_object_seconds": 0.2,
    }

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.config import AuditConfig, EncryptionConfig, SubjectKeysConfig
from telemetry.exceptions import ConfigurationError

_SUBJECTS = SubjectKeysConfig(store=SecretStr("sqlite:////var/lib/shop/subjects.db"))


def _config(**fields: Any) -> AuditConfig:
    values: dict[str, Any] = {
        "kafka_brokers": "127.0.0.1:9092",
        "fallback_enabled": False,
        "encryption_config": EncryptionConfig(
            provider="local_key", key_path=Path("/etc/shop/audit.key"), passphrase=SecretStr("a passphrase of a test")
        ),
        "key_mode": "hmac",
        "key_hmac_secret": "s" * 32,
        "subject_keys": _SUBJECTS,
    }
    return AuditConfig(**{**values, **fields})


def test_subject_keys_need_hidden_kafka_keys() -> None:
    with pytest.raises(ConfigurationError, match="would name the subject for ever"):
        _config(key_mode="clear")


def test_commands_that_open_nothing_accept_the_section() -> None:
    assert _config(encryption_enabled=False, encryption_config=None).subject_keys == _SUBJECTS


def test_fitting_configuration_is_accepted() -> None:
    assert _config().subject_keys == _SUBJECTS


def test_configuration_without_subject_keys_stays_free() -> None:
    assert _config(key_mode="clear", subject_keys=None).subject_keys is None


@pytest.mark.parametrize("name", ["user_id", "session_id", "ip_address", "tenant_id", "entity_id", "correlation_id"])
def test_what_identifies_is_not_shown(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        _config(clear_fields=("outcome", name))


def test_what_identifies_nobody_may_be_shown() -> None:
    fields = ("action", "outcome", "sensitive", "occurred_at", "actor_type", "version", "service_name", "environment")

    assert _config(clear_fields=fields).clear_fields == fields


def test_content_that_goes_is_not_disclosable() -> None:
    with pytest.raises(ConfigurationError, match="disclosable"):
        _config(disclosable=True)

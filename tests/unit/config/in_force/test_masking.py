"""No secret of a configuration is shown, in any place and of any provider."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretBytes, SecretStr

from telemetry.config import EncryptionConfig, KafkaConfig
from telemetry.config.in_force.masking import MASK, shown_value

CANARY = "canary-5b2e"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("passphrase", SecretStr(CANARY), MASK),
        ("anything", SecretBytes(CANARY.encode()), MASK),
        ("former_storage_secrets", (SecretStr(CANARY), SecretStr(CANARY)), [MASK, MASK]),
        ("vault_token", CANARY, MASK),
        ("sasl.password", CANARY, MASK),
        ("kafka_options", {"my.secret": CANARY, "linger.ms": 5}, {"my.secret": MASK, "linger.ms": 5}),
        ("aws_access_key_id", "AKIAIOSFODNN7EXAMPLE", f"{MASK}MPLE"),
        ("aws_access_key_id", "AKIA", MASK),
        ("endpoint_url", f"https://me:{CANARY}@host/path", f"https://{MASK}@host/path"),
        ("oauth_token_url", f"https://host/path?key={CANARY}", f"https://host/path?{MASK}"),
        ("passphrase_file", Path("/run/secrets/passphrase"), "/run/secrets/passphrase"),
        ("passphrase_file", "/run/secrets/passphrase", "/run/secrets/passphrase"),
        ("oauth_token_url", "https://host/path", "https://host/path"),
        ("kms_key_id", "alias/audit", "alias/audit"),
        ("ssl_ca_pem", "-----BEGIN CERTIFICATE-----\nMIIB\n", "-----BEGIN CERTIFICATE-----..."),
        ("prefix", "a" * 300, "a" * 200 + "..."),
        ("enabled", True, True),
        ("timeout_seconds", 1.5, 1.5),
        ("spool_path", None, None),
        ("accept_unmarked_until", datetime(2027, 1, 1, tzinfo=UTC), "2027-01-01T00:00:00+00:00"),
    ],
)
def test_value_is_shown_without_its_secrets(name: str, value: Any, shown: Any) -> None:
    assert shown_value(name, value) == shown


def test_listed_keys_are_shown_without_secrets() -> None:
    key = EncryptionConfig(
        provider="aws_kms",
        kms_key_id="alias/old",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key=CANARY,  # type: ignore[arg-type]
    )

    assert shown_value("previous_keys", (key,)) == [
        {
            "provider": "aws_kms",
            "kms_key_id": "alias/old",
            "aws_access_key_id": f"{MASK}MPLE",
            "aws_secret_access_key": MASK,
        }
    ]


def test_every_secret_field_is_masked() -> None:
    for model in (EncryptionConfig, KafkaConfig):
        for name in model.secret_files.values():
            assert shown_value(name, CANARY) == MASK

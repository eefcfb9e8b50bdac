from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import EncryptionConfig, TelemetryConfig
from telemetry.config.further_keys import MAX_PREVIOUS_KEYS
from telemetry.exceptions import ConfigurationError

VARIABLES = "TELEMETRY_AUDIT_CONFIG__ENCRYPTION_CONFIG__"
SECRET = secrets.token_hex(8)
OLD = "arn:aws:kms:eu-central-1:123456789012:key/1b2c3d4e-1234-1234-1234-abcdefabcdef"


def aws(**fields: Any) -> EncryptionConfig:
    values = {
        "provider": "aws_kms",
        "kms_key_id": "alias/audit",
        "aws_region": "eu-central-1",
        "aws_access_key_id": "id",
        "aws_secret_access_key": SECRET,
        "endpoint_url": "https://kms.example",
        "writer_only": True,
    }
    return EncryptionConfig(**{**values, **fields})


def test_entry_has_what_it_does_not_set_from_the_current_key() -> None:
    (previous,) = aws(previous_keys=[{"kms_key_id": OLD}]).previous_keys
    assert (previous.provider, previous.kms_key_id, previous.endpoint_url) == ("aws_kms", OLD, "https://kms.example")
    assert previous.aws_secret_access_key is not None
    assert previous.aws_secret_access_key.get_secret_value() == SECRET
    assert previous.aws_region is None
    assert not previous.writer_only


def test_key_of_another_region_keeps_no_endpoint() -> None:
    (previous,) = aws(previous_keys=[{"kms_key_id": OLD.replace("central", "west")}]).previous_keys
    assert previous.endpoint_url is None


@pytest.mark.parametrize("entry", [{"aws_profile": "former"}, {"aws_access_key_id": "other"}])
def test_half_of_two_credentials_is_none(entry: dict[str, str]) -> None:
    (previous,) = aws(previous_keys=[{"kms_key_id": OLD, **entry}]).previous_keys
    assert previous.aws_secret_access_key is None


def test_key_of_another_provider_stands_alone(tmp_path: Path) -> None:
    local = {"provider": "local_key", "key_path": tmp_path / "key", "passphrase": "correct horse battery staple"}
    (previous,) = aws(previous_keys=[local]).previous_keys
    assert previous.provider == "local_key"
    assert previous.aws_region is None


def test_entry_may_be_a_configuration() -> None:
    previous = aws(kms_key_id=OLD)
    assert aws(previous_keys=(previous,)).previous_keys == (previous,)


@pytest.mark.parametrize(
    ("listed", "named"),
    [
        ([{"provider": "gcp_kms"}], r"previous_keys\.0\.project_id"),
        ([{"kms_key_id": OLD}, {"kms_key": OLD}], r"previous_keys\.1\.kms_key"),
        ([{"kms_key_id": OLD, "previous_keys": [{"kms_key_id": OLD}]}], r"previous_keys\.0"),
        ([{"kms_key_id": OLD}] * (MAX_PREVIOUS_KEYS + 1), "previous_keys"),
        ("alias/old", "previous_keys"),
        ([7], r"previous_keys\.0"),
    ],
)
def test_list_that_cannot_work(listed: Any, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        aws(previous_keys=listed)
    assert SECRET not in str(caught.value)


def test_list_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(
        '[audit_config]\nkafka_brokers = "127.0.0.1:1"\nfallback_enabled = false\n'
        '[audit_config.encryption_config]\nprovider = "aws_kms"\nkms_key_id = "alias/audit"\naws_region = "eu-west-1"\n'
        f'[[audit_config.encryption_config.previous_keys]]\nkms_key_id = "{OLD}"\n'
    )
    file.chmod(0o600)
    encryption = TelemetryConfig.load(file).audit_config.encryption_config
    assert encryption is not None
    assert [key.kms_key_id for key in encryption.previous_keys] == [OLD]
    # The environment adds no key to a list of the file.
    monkeypatch.setenv(f"{VARIABLES}PREVIOUS_KEYS", f'[{{"kms_key_id": "{OLD}"}}, {{"kms_key_id": "alias/planted"}}]')
    with pytest.raises(ConfigurationError, match="previous_keys"):
        TelemetryConfig.load(file)


def test_list_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"PROVIDER": "aws_kms", "KMS_KEY_ID": "alias/audit", "PREVIOUS_KEYS": f'[{{"kms_key_id": "{OLD}"}}]'}
    fields["RECIPIENTS"] = '[{"provider": "recovery_key", "public_key": "x25519:..."}]'
    for name, value in fields.items():
        monkeypatch.setenv(f"{VARIABLES}{name}", value)
    audit = {"kafka_brokers": "127.0.0.1:1", "fallback_enabled": False}
    encryption = TelemetryConfig.load(audit_config=audit).audit_config.encryption_config
    assert encryption is not None
    assert [key.kms_key_id for key in encryption.previous_keys] == [OLD]
    assert [key.provider for key in encryption.recipients] == ["recovery_key"]


def test_recipients_are_limited() -> None:
    with pytest.raises(ConfigurationError, match="recipients"):
        aws(recipients=[{"kms_key_id": OLD}] * 5)
    with pytest.raises(ConfigurationError, match=r"recipients\.0"):
        aws(recipients=[{"kms_key_id": OLD, "previous_keys": [{"kms_key_id": OLD}]}])

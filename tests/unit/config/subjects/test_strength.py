"""The environment weakens nothing that the file says about the keys of subjects."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError

FILE = """\
service_name = "shop"
environment = "test"

[audit_config]
kafka_brokers = "memory:"
encryption_enabled = true
key_mode = "hmac"
key_hmac_secret = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"

[audit_config.encryption_config]
provider = "local_key"
key_path = "/etc/shop/audit.key"
passphrase = "a passphrase of a test"

[audit_config.subject_keys]
store = "sqlite:////var/lib/shop/subjects.db"
lease_seconds = 300
store_key_max_age_days = 90
"""


def _load(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> TelemetryConfig:
    file = folder / "telemetry.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__{name}", value)
    return TelemetryConfig.load(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUBJECT_KEYS__STORE", "sqlite:////tmp/mine.db"),
        ("SUBJECT_KEYS__LEASE_SECONDS", "3600"),
        ("SUBJECT_KEYS__STORE_KEY_MAX_AGE_DAYS", "900"),
        ("KEY_MODE", "clear"),
        ("ENCRYPTION_ENABLED", "false"),
    ],
)
def test_what_the_file_states_is_not_weakened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=name.rpartition("__")[2].lower()):
        _load(tmp_path, monkeypatch, name, value)


def test_section_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="is left out by TELEMETRY_AUDIT_CONFIG__SUBJECT_KEYS"):
        _load(tmp_path, monkeypatch, "SUBJECT_KEYS", "null")


def test_empty_section_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _load(tmp_path, monkeypatch, "SUBJECT_KEYS", "{}").audit_config.subject_keys is not None


def test_shorter_lease_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject_keys = _load(tmp_path, monkeypatch, "SUBJECT_KEYS__LEASE_SECONDS", "60").audit_config.subject_keys

    assert subject_keys is not None
    assert subject_keys.lease_seconds == 60

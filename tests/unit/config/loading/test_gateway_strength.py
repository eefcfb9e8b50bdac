"""The environment weakens nothing that the file says about who may call the gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError

FILE = """\
service_name = "gateway"
environment = "test"
audit_config = { kafka_brokers = "memory:" }

[gateway_config]
listen = ["https://127.0.0.1:4318"]
identities = "/etc/identities.toml"
client_ca = "/etc/ca.pem"
client_certificates = "required"
allow_plain_http = false
forwarded_certificates = false
trusted_proxies = ["10.0.0.5"]
"""


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> TelemetryConfig:
    file = folder / "telemetry.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    monkeypatch.setenv(f"TELEMETRY_GATEWAY_CONFIG__{name.upper()}", value)
    return TelemetryConfig.load(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_certificates", "optional"),
        ("allow_plain_http", "true"),
        ("forwarded_certificates", "1"),
        ("trusted_proxies", json.dumps(["10.0.0.5", "0.0.0.0/0"])),
        ("identities", "/tmp/mine.toml"),  # noqa: S108 - a name, nothing is written
        ("client_ca", "/tmp/mine.pem"),  # noqa: S108
    ],
)
def test_what_the_file_states_is_not_weakened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load(tmp_path, monkeypatch, name, value)


@pytest.mark.parametrize(("name", "value"), [("trusted_proxies", "[]"), ("client_certificates", "required")])
def test_what_is_stricter_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    gateway = load(tmp_path, monkeypatch, name, value).gateway_config

    assert gateway is not None
    assert getattr(gateway, name) == (() if name == "trusted_proxies" else value)

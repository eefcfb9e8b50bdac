"""An explorer whose configuration would let the wrong person in does not start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.config import ExplorerConfig, GrantsConfig, OidcConfig, ProxyIdentityConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError

OIDC: dict[str, Any] = {"issuer": "https://login.example.com", "client_id": "explorer"}
URL = "https://audit.example.com"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"oidc": OIDC}, "public_urls"),
        ({"oidc": OIDC, "public_urls": ["http://audit.example.com"]}, "public_urls"),
        ({"oidc": OIDC, "public_urls": ["https://audit.example.com/explorer"]}, "public_urls"),
        ({"oidc": OIDC, "public_urls": ["https://*.example.com"]}, "public_urls"),
        ({"oidc": OIDC, "public_urls": ["audit.example.com"]}, "public_urls"),
        ({"oidc": OIDC, "proxy": {"peers": ["10.0.0.5"]}, "public_urls": [URL]}, "proxy"),
        ({"proxy": {"peers": ["10.0.0.5"]}, "public_urls": [URL], "listen": "unix:/run/e.sock"}, "proxy.peers"),
        ({"oidc": OIDC, "public_urls": [URL, "http://127.0.0.1:8080"]}, "public_urls"),
        ({"session_idle_seconds": 1}, "session_idle_seconds"),
        ({"max_sessions": 0}, "max_sessions"),
    ],
)
def test_configuration_that_lets_others_in(values: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        ExplorerConfig(**values)
    assert field in [problem.field for problem in error.value.problems]


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.com",
        "https://user:pw@login.example.com",
        "https://login.example.com?x=1",
        "ftp://login.example.com",
        "login.example.com",
        "https://[",
        "",
        "https://" + "a" * 3_000,
    ],
)
def test_unsafe_issuer_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigurationError, match="issuer"):
        OidcConfig(issuer=issuer, client_id="explorer")


@pytest.mark.parametrize("algorithms", [["none"], ["HS256"], ["RS256", "HS512"], []])
def test_signature_that_proves_nothing_is_refused(algorithms: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="algorithms"):
        OidcConfig(**OIDC, algorithms=tuple(algorithms))


@pytest.mark.parametrize("scopes", [[], ["profile"], ["openid", ""], ["openid profile"]])
def test_scopes_without_an_identity_are_refused(scopes: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="scopes"):
        OidcConfig(**OIDC, scopes=tuple(scopes))


@pytest.mark.parametrize("name", ["", " readers", "a" * 1_025])
def test_odd_name_of_a_group_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="reader_groups"):
        GrantsConfig(reader_groups=(name,))


def test_nobody_gets_a_right_by_default() -> None:
    assert set(GrantsConfig().model_dump().values()) == {()}


def test_secret_of_the_client_is_shown_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("very secret\n")
    file.chmod(0o600)
    config = ExplorerConfig(oidc=OidcConfig(**OIDC, client_secret_file=file), public_urls=(URL,))
    assert config.oidc is not None
    assert config.oidc.client_secret == SecretStr("very secret")
    assert "very secret" not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_configuration_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    explorer = TelemetryConfig.load(file).explorer_config
    assert explorer is not None
    assert explorer.is_served
    assert explorer.public_urls == (URL,)
    assert explorer.oidc is not None
    assert explorer.oidc.grants.reader_groups == ("auditors",)
    assert ExplorerConfig().is_served is False


FILE = f"""\
service_name = "telemetry-reader"
environment = "test"
audit_config = {{ kafka_brokers = "memory:" }}

[explorer_config]
listen = "https://0.0.0.0:8443"
public_urls = ["{URL}"]
allow_plain_http = false
session_idle_seconds = 600
trusted_proxies = ["10.0.0.5"]

[explorer_config.oidc]
issuer = "https://login.example.com"
client_id = "explorer"
algorithms = ["RS256"]
grants = {{ reader_groups = ["auditors"] }}
"""
PROXY_FILE = f"""\
audit_config = {{ kafka_brokers = "memory:" }}
environment = "test"

[explorer_config]
public_urls = ["{URL}"]

[explorer_config.proxy]
peers = ["10.0.0.5"]
grants = {{ reader_groups = ["auditors"] }}
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_plain_http", "true"),
        ("session_idle_seconds", "6000"),
        ("public_urls", json.dumps([URL, "https://evil.example"])),
        ("trusted_proxies", json.dumps(["0.0.0.0/0"])),
        ("oidc__issuer", "https://evil.example"),
        ("oidc__client_id", "another"),
        ("oidc__subject_claim", "email"),
        ("oidc__algorithms", json.dumps(["RS256", "ES256"])),
        ("oidc__grants__reader_groups", json.dumps(["auditors", "everyone"])),
        ("oidc__grants__exporter_groups", json.dumps(["everyone"])),
        ("oidc__grants", json.dumps({"exporter_subjects": ["eve"]})),
    ],
)
def test_environment_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    monkeypatch.setenv(f"TELEMETRY_EXPLORER_CONFIG__{name.upper()}", value)
    with pytest.raises(ConfigurationError, match=name.replace("__", r"\.")):
        TelemetryConfig.load(file)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("peers", json.dumps(["10.0.0.5", "10.0.0.6"])),
        ("user_header", "x-evil"),
        ("grants__exporter_groups", json.dumps(["everyone"])),
    ],
)
def test_environment_changes_no_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(PROXY_FILE)
    file.chmod(0o600)
    monkeypatch.setenv(f"TELEMETRY_EXPLORER_CONFIG__PROXY__{name.upper()}", value)
    with pytest.raises(ConfigurationError, match=name.replace("__", r"\.")):
        TelemetryConfig.load(file)


def test_environment_gives_the_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "telemetry.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    monkeypatch.setenv("TELEMETRY_EXPLORER_CLIENT_SECRET", "from the environment")
    monkeypatch.setenv("TELEMETRY_EXPLORER_CONFIG__SESSION_IDLE_SECONDS", "300")
    explorer = TelemetryConfig.load(file).explorer_config
    assert explorer is not None
    assert explorer.oidc is not None
    assert explorer.oidc.client_secret == SecretStr("from the environment")
    assert explorer.session_idle_seconds == 300
    assert ProxyIdentityConfig(peers=("unix",)).user_header == "x-forwarded-user"


@pytest.mark.parametrize("peer", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "10.0.0.0/7"])
def test_everyone_is_no_proxy(peer: str) -> None:
    with pytest.raises(ValueError, match="anyone there could say who they are"):
        ProxyIdentityConfig(peers=("10.0.0.5", peer))


@pytest.mark.parametrize("peer", ["10.0.0.0/8", "fd00::/16", "::1", "unix"])
def test_network_of_a_proxy_is_believed(peer: str) -> None:
    assert ProxyIdentityConfig(peers=(peer,)).peers == (peer,)

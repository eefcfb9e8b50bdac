"""The systemd unit, as systemd itself reads it, and against what the gateway needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from telemetry.config import GatewayConfig, TelemetryConfig
from tests.services import fetch
from tests.services.deploy_tools import checked
from tests.support.chart import ROOT

UNIT = ROOT / "deploy/systemd/telemetry-serve.service"
_CONFIGURATION = """\
service_name = "audit-gateway"

[audit_config]
kafka_brokers = "kafka-1.example.com:9093"
spool_path = "/var/lib/telemetry/spool"
fallback_enabled = false

[audit_config.shared_streams]

[audit_config.encryption_config]
provider = "aws_kms"
kms_key_id = "alias/audit"

[audit_config.signing_config]
passphrase_file = "$CREDENTIALS_DIRECTORY/signing-passphrase"
"""
_MOST_EXPOSED = "15"
"""Of 100, as ``systemd-analyze security`` counts: 50 is medium, a unit without settings has 96."""


def _systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = checked(lambda: Path(fetch.program("systemd-analyze")))
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def _installed(folder: Path) -> Path:
    """Return the unit as it is on a machine where its program exists."""
    unit = folder / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/telemetry/bin/telemetry", "/bin/true"))
    return unit


def _settings() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    done = _systemd_analyze("verify", "--man=no", str(_installed(tmp_path)))
    about_it = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.stem in line]
    assert about_it == []


def test_systemd_finds_little_exposed(tmp_path: Path) -> None:
    done = _systemd_analyze(
        "security", "--no-pager", "--offline=true", f"--threshold={_MOST_EXPOSED}", str(_installed(tmp_path))
    )
    assert done.returncode == 0, done.stdout


def test_there_is_time_to_end() -> None:
    settings = _settings()
    (start,) = settings["ExecStart"]
    timeout = re.search(r"--timeout (\d+)", start)
    assert timeout is not None
    requests = GatewayConfig().shutdown_seconds
    assert float(settings["TimeoutStopSec"][0]) > requests + float(timeout[1])


def test_the_user_of_the_unit_is_created() -> None:
    users = (UNIT.parent / "telemetry.sysusers").read_text()
    (user,) = _settings()["User"]
    assert re.search(rf"^u {user} ", users, re.MULTILINE)


def test_folders_are_private() -> None:
    settings = _settings()
    assert settings["StateDirectoryMode"] == ["0700"]
    assert settings["UMask"] == ["0077"]
    assert settings["LimitCORE"] == ["0"]


def test_the_configuration_of_the_page_loads_with_credentials(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The configuration leaves the place of the signing key to the unit, as docs/deployment.md says."""
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    for loaded in _settings()["LoadCredential"]:
        name, _, source = loaded.partition(":")
        assert source.startswith("/etc/telemetry/credentials/")
        content = prepared / ("passphrase" if name == "signing-passphrase" else name)
        (credentials / name).write_bytes(content.read_bytes())
        (credentials / name).chmod(0o400)
    for variable in _settings()["Environment"]:
        name, _, value = variable.partition("=")
        monkeypatch.setenv(name, value.replace("%d", str(credentials)))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    file = tmp_path / "telemetry.toml"
    file.write_text(_CONFIGURATION)
    file.chmod(0o640)

    signing = TelemetryConfig.load(file).audit_config.signing_config

    assert signing is not None
    assert signing.key_path == credentials / "signing.key"
    assert signing.passphrase.get_secret_value() == (prepared / "passphrase").read_text().strip()

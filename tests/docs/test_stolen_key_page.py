"""The commands of docs/stolen-key.md, run exactly as written, while a thief goes on signing."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import run

PAGE = Path(__file__).parents[2] / "docs/stolen-key.md"
PASSPHRASE = "correct horse battery"
CONFIG = """
service_name = "payments"
[audit_config]
kafka_brokers = "{brokers}"
security_protocol = "PLAINTEXT"
fallback_enabled = false
read_audit = "off"
[audit_config.encryption_config]
provider = "local_key"
key_path = "audit.key"
passphrase = "{passphrase}"
[audit_config.signing_config]
key_path = "{signing}"
passphrase = "{passphrase}"
"""


def _blocks() -> list[str]:
    return re.findall(r"^ *```sh\n(.*?)^ *```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _run(script: str, folder: Path) -> int:
    command = f'set -e\ntelemetry() {{ "{sys.executable}" -m telemetry "$@"; }}\n{script}'
    return subprocess.run(["bash", "-c", command], cwd=folder, timeout=100, capture_output=True, check=False).returncode


def _log(folder: Path, kafka: EmbeddedKafka, signing: str) -> None:
    file = folder / "telemetry.toml"
    file.write_text(CONFIG.format(brokers=kafka.bootstrap_servers, signing=signing, passphrase=PASSPHRASE))
    file.chmod(0o600)
    with Telemetry(TelemetryConfig.load(file)) as telemetry:
        for number in range(3):
            telemetry.audit.log("payment", {"number": number}, f"user-{number}")


def test_signing_key_is_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rotate, verify, export = _blocks()
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    (tmp_path / "passphrase").chmod(0o600)
    former = SigningKey.create(tmp_path / "audit-signing.key", PASSPHRASE, name="payments").public_key
    with EmbeddedKafka() as kafka:
        _log(tmp_path, kafka, "audit-signing.key")
        theft = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        assert _run(rotate, tmp_path) == 0
        new = run("keys", "export-public", str(tmp_path / "audit-signing-2.key")).out.decode().strip()
        _trust(tmp_path, former, f"revoked_from = {theft}")
        with (tmp_path / "trust.toml").open("a") as trust:
            trust.write(_entry(new))
        _log(tmp_path, kafka, "audit-signing-2.key")

        assert _run(verify, tmp_path) == 0
        assert _run(export, tmp_path) == 0
        _log(tmp_path, kafka, "audit-signing.key")

        assert _run(verify, tmp_path) in (3, 4), "what the thief signs is not believed"
        (tmp_path / "proven.jsonl").unlink()
        assert _run(export, tmp_path) == 3


def _trust(folder: Path, public: str, dates: str) -> None:
    (folder / "trust.toml").write_text(f"version = 1\n{_entry(public)}{dates}\n")
    (folder / "trust.toml").chmod(0o600)


def _entry(public: str) -> str:
    return f'[[key]]\npublic = "{public}"\nroles = ["service"]\nsources = ["/production/payments"]\n'

"""The commands and the example of docs/verification.md, run exactly as written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.reader.trust import parse_trust_file
from telemetry.reader.verify.verdicts import Verdict
from telemetry.storage import StorageProviderFactory
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka

PAGE = Path(__file__).parents[2] / "docs/verification.md"

CONFIG = """
service_name = "payments"
[audit_config]
kafka_brokers = "{brokers}"
security_protocol = "PLAINTEXT"
[audit_config.encryption_config]
provider = "local_key"
key_path = "audit.key"
passphrase = "correct horse"
[audit_config.storage_config]
provider = "local_file"
base_path = "fallback"
[audit_config.signing_config]
key_path = "audit-signing.key"
passphrase = "correct horse"
"""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _run(script: str, folder: Path) -> None:
    command = f'set -e\ntelemetry() {{ "{sys.executable}" -m telemetry "$@"; }}\n{script}'
    subprocess.run(["bash", "-c", command], cwd=folder, check=True, timeout=100, capture_output=True)


def test_keys_verification_and_the_example_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keys, trust, each_time, acknowledge, proofs = _blocks("sh")
    (example,) = _blocks("python")
    Path("passphrase").write_text("correct horse\n")
    _run(keys, tmp_path)
    _run(trust, tmp_path)
    _make_auditor(tmp_path)
    with EmbeddedKafka() as kafka:
        Path("telemetry.toml").write_text(CONFIG.format(brokers=kafka.bootstrap_servers))
        config = TelemetryConfig.load(Path("telemetry.toml"))
        with Telemetry(config) as telemetry:
            receipts = [
                telemetry.audit.log("payment", {"number": number}, f"user-{number % 3}") for number in range(20)
            ]
        _run(each_time, tmp_path)
        _run(acknowledge, tmp_path)
        Path("ids.txt").write_text("\n".join(receipt.event_id for receipt in receipts[:10]))
        _run(proofs, tmp_path)
        assert len(list(Path("proofs").iterdir())) == 10
        names: dict[str, Any] = {}
        exec(compile(example, PAGE, "exec"), names)  # noqa: S102 - the example is what is tested
        storage = config.audit_config.storage_config
        assert storage is not None
        with StorageProviderFactory.create(storage) as store:
            assert str(names["verify"](config.audit_config, store, "audit.pub")) == "complete"
    assert "20 of 20 events are proven" in Path("evidence.html").read_text("utf-8")


def test_the_trust_file_is_one() -> None:
    (example,) = _blocks("toml")
    policy = parse_trust_file(example.encode())
    assert policy.keys[0].public.name == "payments-2026"
    assert policy.rules[0].expect == 1


def _make_auditor(folder: Path) -> None:
    """Give the auditor a key and a configuration, and the key its role in the trust file."""
    auditor = SigningKey.create(folder / "auditor.key", "correct horse", name="auditor")
    with (folder / "trust.toml").open("a") as trust:
        trust.write(f'[[key]]\npublic = "{auditor.public_key}"\nroles = ["auditor"]\n')
    config = CONFIG.format(brokers="127.0.0.1:1").replace("audit-signing.key", "auditor.key")
    (folder / "auditor.toml").write_text(config)


def test_the_verdicts_are_explained() -> None:
    rows = re.findall(r"^\| ([a-z]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert {str(verdict) for verdict in Verdict} <= set(rows)

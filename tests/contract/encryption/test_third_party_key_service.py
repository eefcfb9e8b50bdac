"""The key service of the documentation works as it is printed, with its tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "providers.md"
_BLOCK = re.compile(r'^```python title="(?P<name>[a-z_]+\.py)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
_USE = """
import sys
from pathlib import Path

import mounted_key
from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory

path = Path(sys.argv[1])
path.write_text("07" * 32)
config = TelemetryConfig(audit_config={
    "kafka_brokers": "127.0.0.1:1",
    "fallback_enabled": False,
    "encryption_config": {"provider": "mounted_key", "secret_path": path},
})
with EncryptionProviderFactory.create(config.audit_config.encryption_config) as provider:
    assert type(provider) is mounted_key.MountedKey
    provider.check()
"""


def printed_files() -> dict[str, str]:
    _, _, section = _DOCUMENT.read_text(encoding="utf-8").partition("\n## Encryption providers\n")
    section = section.partition("\n## ")[0]
    return {block["name"]: block["text"] for block in _BLOCK.finditer(section)}


def run(folder: Path, *command: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]
    return done.stdout


def test_printed_key_service_passes_the_contract(tmp_path: Path) -> None:
    files = printed_files()
    assert set(files) == {"mounted_key.py", "test_mounted_key.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", "--rootdir", tmp_path)
    said = run(tmp_path, "-m", "pytest", *options, tmp_path)
    assert re.search(r"^2\d passed", said, re.MULTILINE), said[-500:]


def test_printed_key_service_is_configured_by_name(tmp_path: Path) -> None:
    (tmp_path / "mounted_key.py").write_text(printed_files()["mounted_key.py"], encoding="utf-8")
    run(tmp_path, "-c", _USE, tmp_path / "secret")


def test_printed_key_service_is_small() -> None:
    lines = [line for line in printed_files()["mounted_key.py"].splitlines() if line.strip()]
    assert len(lines) <= 50

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

from telemetry.format.signed_note import PublicKey


def _run(*words: str, passphrase: str | None = "first", new: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TELEMETRY_")}
    if passphrase is not None:
        environment["TELEMETRY_PASSPHRASE"] = passphrase
    if new is not None:
        environment["TELEMETRY_NEW_PASSPHRASE"] = new
    return subprocess.run(
        [sys.executable, "-m", "telemetry", "keys", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )


def test_init_show_and_change_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = _run("init", str(path))
    shown = _run("show", str(path), passphrase=None)
    changed = _run("change-passphrase", str(path), new="second")
    again = _run("change-passphrase", str(path), new="third")
    after = _run("show", str(path), passphrase=None)

    assert (made.returncode, shown.returncode, changed.returncode) == (0, 0, 0), made.stderr + changed.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(made.stdout)["fingerprint"] == json.loads(after.stdout)["fingerprint"]
    assert again.returncode == 2
    assert "passphrase is wrong" in again.stderr
    assert "first" not in made.stdout + made.stderr + path.read_text("utf-8")


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    _run("init", str(path))
    before = path.read_bytes()

    refused = _run("init", str(path))

    assert refused.returncode == 2
    assert path.read_bytes() == before


def test_a_signing_key_and_its_public_half(tmp_path: Path) -> None:
    path = tmp_path / "signing"
    made = _run("init-signing", str(path), "--name", "shop-audit")
    exported = _run("export-public", str(path), passphrase=None)

    assert (made.returncode, exported.returncode) == (0, 0), made.stderr
    assert made.stdout == exported.stdout
    assert PublicKey.parse(made.stdout.strip()).name == "shop-audit"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    missing = _run("show", str(tmp_path / "absent"))

    assert missing.returncode == 5
    assert "Traceback" not in missing.stderr

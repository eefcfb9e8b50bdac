from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.format.proof.signed_note import PublicKey
from tests.support.in_process import Ended, run


def _keys(*words: str, passphrase: str | None = "first passphrase", new: str | None = None) -> Ended:
    given = {"TELEMETRY_PASSPHRASE": passphrase, "TELEMETRY_NEW_PASSPHRASE": new}
    return run("keys", *words, environment={name: value for name, value in given.items() if value is not None})


def test_passphrase_changes_and_the_key_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    created = _keys("init", str(path))
    shown = _keys("show", str(path), passphrase=None)
    changed = _keys("change-passphrase", str(path), new="second passphrase")
    again = _keys("change-passphrase", str(path), new="third passphrase")
    after = _keys("show", str(path), passphrase=None)

    assert (created.code, shown.code, changed.code) == (0, 0, 0), created.err + changed.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(created.out)["fingerprint"] == json.loads(after.out)["fingerprint"]
    assert "Passphrase changed" in changed.err
    assert again.code == 2
    assert "passphrase is wrong" in again.err
    assert "first passphrase" not in created.out.decode() + created.err + path.read_text("utf-8")


def test_rotation_keeps_the_former_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    created = _keys("init", str(path))
    wrong = _keys("rotate", str(path), passphrase="wrong passphrase")
    rotated = _keys("rotate", str(path))
    shown = _keys("show", str(path), passphrase=None)

    assert (wrong.code, rotated.code, shown.code) == (2, 0, 0), rotated.err
    assert rotated.out == shown.out
    assert json.loads(shown.out)["earlier"] == json.loads(created.out)["fingerprint"]
    assert "Replace the copies" in rotated.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_signing_key_is_not_rotated_as_a_kek(tmp_path: Path) -> None:
    path = tmp_path / "signing"
    _keys("init-signing", str(path), "--name", "shop-audit")
    before = path.read_bytes()

    refused = _keys("rotate", str(path))

    assert refused.code == 2
    assert "telemetry signing" in refused.err
    assert path.read_bytes() == before


def test_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    _keys("init", str(path))
    before = path.read_bytes()

    refused = _keys("init", str(path))

    assert refused.code == 2
    assert path.read_bytes() == before


def test_signing_key_and_its_public_half(tmp_path: Path) -> None:
    path = tmp_path / "signing"
    created = _keys("init-signing", str(path), "--name", "shop-audit")
    exported = _keys("export-public", str(path), passphrase=None)

    assert (created.code, exported.code) == (0, 0), created.err
    assert created.out == exported.out
    assert PublicKey.parse(created.out.decode().strip()).name == "shop-audit"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_absent_key_file(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")

    missing = _keys("show", absent)

    assert missing.code == 5
    assert absent in missing.err


@pytest.mark.parametrize("name", ["/dev/zero", "long", "empty", "latin", "absent", ""])
def test_unusable_passphrase_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 5_000)
    (tmp_path / "empty").write_text("\nsecond line\n")
    (tmp_path / "latin").write_bytes(b"gr\xfc\xdfe")

    refused = _keys("init", str(tmp_path / "key"), "--passphrase-file", str(tmp_path / name), passphrase=None)

    assert refused.code == 2
    assert "passphrase_file" in refused.err
    assert not (tmp_path / "key").exists()


def test_first_line_is_the_unchanged_passphrase(tmp_path: Path) -> None:
    # \x85 and U+2028 end a line for Python's str, but not in a file.
    passphrase, file = "one\u2028two \x85 ", tmp_path / "passphrase"
    file.write_bytes(f"{passphrase}\r\nsecond line\n".encode())
    created = _keys("init", str(tmp_path / "key"), "--passphrase-file", str(file), passphrase=None)
    changed = _keys("change-passphrase", str(tmp_path / "key"), passphrase=passphrase, new="another passphrase")
    assert (created.code, changed.code) == (0, 0), created.err + changed.err


def test_processes_that_race_leave_one_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "telemetry", "keys", "init", str(tmp_path / "key")]
    environment = os.environ | {"TELEMETRY_PASSPHRASE": "first passphrase"}
    racing = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)
    ]
    ended = [(process, *process.communicate(timeout=110)) for process in racing]

    won = [out for process, out, _ in ended if process.returncode == 0]
    assert len(won) == 1
    assert all(b"exists already" in err for process, _, err in ended if process.returncode != 0)
    shown = json.loads(_keys("show", str(tmp_path / "key"), passphrase=None).out)
    assert shown["fingerprint"] == json.loads(won[0])["fingerprint"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


@pytest.mark.parametrize("kind", ["link", "short", "open", "folder"])
def test_unusable_key_file_is_refused_and_kept(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    _keys("init", str(path))
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "short").write_bytes(path.read_bytes()[:100])
    (tmp_path / "short").chmod(0o600)
    (tmp_path / "open").write_bytes(path.read_bytes())
    (tmp_path / "open").chmod(0o640)
    (tmp_path / "folder").mkdir()
    before = path.read_bytes()

    for command in ("show", "change-passphrase"):
        refused = _keys(command, str(tmp_path / kind), new="another passphrase")
        assert refused.code == 2, (command, refused)
        assert refused.err

    assert path.read_bytes() == before


def test_key_file_without_a_name() -> None:
    assert _keys("init", "").code == 2


def test_storage_secret_is_random_and_private(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    created = _keys("storage-secret", "create", str(path))
    content = path.read_bytes()
    again = _keys("storage-secret", "create", str(path))

    assert (created.code, again.code) == (0, 2), created.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(content) == 45
    assert content.strip().decode() not in created.out.decode() + created.err
    assert path.read_bytes() == content

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_secret import FROM_SIGNING_KEY, StorageSecret
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.trust.trust_file import parse_trust_file
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


def test_rotated_signing_key_needs_a_file_and_a_name(tmp_path: Path) -> None:
    path = tmp_path / "signing"
    _keys("init-signing", str(path), "--name", "shop-audit")
    before = path.read_bytes()

    for options in ([], ["--name", "shop-2"], ["--to", str(tmp_path / "new")]):
        refused = _keys("rotate", str(path), *options)
        assert refused.code == 2
        assert "is a signing key" in refused.err
    same = _keys("rotate", str(path), "--to", str(tmp_path / "new"), "--name", "shop-audit")
    wrong = _keys("rotate", str(path), "--to", str(tmp_path / "new"), "--name", "b", passphrase="wrong passphrase")

    assert (same.code, wrong.code) == (2, 2)
    assert path.read_bytes() == before
    assert not (tmp_path / "new").exists()


def test_rotated_signing_key_comes_with_its_trust_file(tmp_path: Path) -> None:
    former, new, secret = tmp_path / "signing", tmp_path / "signing-2", tmp_path / "former-storage"
    old_public = _keys("init-signing", str(former), "--name", "shop-1").out.decode().strip()
    options = ["--to", str(new), "--name", "shop-2", "--source", "/production/shop"]

    rotated = _keys("rotate", str(former), *options, "--former-storage-secret", str(secret))

    assert rotated.code == 0, rotated.err
    new_public = _keys("export-public", str(new), passphrase=None).out.decode().strip()
    policy = parse_trust_file(b"version = 1\n" + rotated.out)
    before, after = policy.keys
    assert (str(before.public), str(after.public)) == (old_public, new_public)
    assert before.sources == after.sources == ("/production/shop",)
    assert before.not_after is not None
    assert after.not_before is not None
    assert before.not_after > after.not_before  # both are good while the processes are restarted
    assert "trust file" in rotated.err
    # What is stored under the former key opens with the secret in the file, and the file is private.
    signing = SigningKey.load(former, "first passphrase")
    of_key = StorageSecret.of_bytes(signing.derive_secret(FROM_SIGNING_KEY))
    assert StorageSecret.of_text(secret.read_text()).key_id == of_key.key_id
    assert stat.S_IMODE(secret.stat().st_mode) == stat.S_IMODE(new.stat().st_mode) == 0o600
    assert "first passphrase" not in rotated.out.decode() + rotated.err


def test_rotated_signing_key_may_have_a_passphrase_of_its_own(tmp_path: Path) -> None:
    former, new, passphrase = tmp_path / "signing", tmp_path / "signing-2", tmp_path / "passphrase"
    _keys("init-signing", str(former), "--name", "shop-1")
    passphrase.write_text("another passphrase\n")
    passphrase.chmod(0o600)
    options = ["--to", str(new), "--name", "shop-2", "--new-passphrase-file", str(passphrase)]

    assert _keys("rotate", str(former), *options).code == 0

    assert SigningKey.load(new, "another passphrase").name == "shop-2"


def test_passphrase_of_a_signing_key_changes(tmp_path: Path) -> None:
    path = tmp_path / "signing"
    public = _keys("init-signing", str(path), "--name", "shop-audit").out

    changed = _keys("change-passphrase", str(path), new="second passphrase")
    short = _keys("change-passphrase", str(path), passphrase="second passphrase", new="short")

    assert changed.code == 0, changed.err
    assert short.code == 2
    assert "fewer than 8" in short.err
    assert f"{SigningKey.load(path, 'second passphrase').public_key}\n".encode() == public
    assert json.loads(_keys("show", str(path), passphrase=None).out)["purpose"] == "telemetry signing"


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

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from telemetry.format.proof.signed_note import PublicKey


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


def test_files_that_are_no_passphrase_files(tmp_path: Path) -> None:
    (tmp_path / "long").write_text("x" * 5_000)
    (tmp_path / "empty").write_text("\nsecond line\n")
    (tmp_path / "latin").write_bytes(b"gr\xfc\xdfe")
    for file in ("/dev/zero", *(str(tmp_path / name) for name in ("long", "empty", "latin", "absent", ""))):
        refused = _run("init", str(tmp_path / "key"), "--passphrase-file", file, passphrase=None)
        assert refused.returncode == 2, file
        assert "Traceback" not in refused.stderr
        assert "passphrase_file" in refused.stderr
    assert not (tmp_path / "key").exists()


def test_first_line_of_a_passphrase_file_is_taken_as_it_is(tmp_path: Path) -> None:
    # \x85 and U+2028 end a line for Python's str, but not in a file.
    passphrase, file = "one\u2028two \x85 ", tmp_path / "passphrase"
    file.write_bytes(f"{passphrase}\r\nsecond line\n".encode())
    made = _run("init", str(tmp_path / "key"), "--passphrase-file", str(file), passphrase=None)
    changed = _run("change-passphrase", str(tmp_path / "key"), passphrase=passphrase, new="another")
    assert (made.returncode, changed.returncode) == (0, 0), made.stderr + changed.stderr


def test_two_that_make_it_at_once_leave_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: _run("init", str(tmp_path / "key")), range(4)))
    won = [run for run in made if run.returncode == 0]
    assert len(won) == 1
    assert all("exists already" in run.stderr for run in made if run is not won[0])
    shown = json.loads(_run("show", str(tmp_path / "key"), passphrase=None).stdout)
    assert shown["fingerprint"] == json.loads(won[0].stdout)["fingerprint"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]


def test_links_folders_and_damage_are_told_without_a_traceback(tmp_path: Path) -> None:
    path = tmp_path / "key"
    _run("init", str(path))
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "short").write_bytes(path.read_bytes()[:100])
    (tmp_path / "short").chmod(0o600)
    (tmp_path / "open").write_bytes(path.read_bytes())
    (tmp_path / "open").chmod(0o640)
    (tmp_path / "folder").mkdir()
    before = path.read_bytes()
    for name in ("link", "short", "open", "folder"):
        for words in (("show", str(tmp_path / name)), ("change-passphrase", str(tmp_path / name))):
            refused = _run(*words, new="another")
            assert refused.returncode == 2, (words, refused.stderr)
            assert "Traceback" not in refused.stderr
    assert path.read_bytes() == before
    assert _run("init", "").returncode == 2

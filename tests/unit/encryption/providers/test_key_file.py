"""The key file: private, whole or absent, one key for two creators, and clear about its damage."""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from traceback import TracebackException
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.config import EncryptionConfig
from telemetry.encryption.providers import key_file
from telemetry.encryption.providers.local_key import LocalKeyProvider, change_passphrase, create, describe
from telemetry.exceptions import ConfigurationError, KeyAccessDeniedError, KeyMismatchError, KeyNotFoundError

PASSPHRASE = "correct horse battery staple"
CONTEXT = {"service": "shop"}


def provider_of(path: Path, passphrase: str = PASSPHRASE) -> LocalKeyProvider:
    return LocalKeyProvider(EncryptionConfig(provider="local_key", key_path=path, passphrase=SecretStr(passphrase)))


@pytest.fixture(scope="module")
def file_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a key file; PBKDF2 takes its time, so it is made once."""
    path = tmp_path_factory.mktemp("made") / "kek.json"
    create(path, PASSPHRASE)
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, file_bytes: bytes) -> Path:
    path = tmp_path / "kek.json"
    path.touch(mode=0o600)
    path.write_bytes(file_bytes)
    return path


def rewrite(path: Path, *, digest: bool = True, **changes: Any) -> None:
    """Change the file as somebody would who makes its digest fit again, or does not."""
    content = json.loads(path.read_bytes()) | changes
    if digest:
        content["sha256"] = key_file._digest(content)
    path.write_text(json.dumps(content))


def test_file_and_folder_are_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "kek.json"
    before = os.umask(0)
    try:
        provider_of(path).check()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["kek.json"], "nothing temporary stays"


def test_form_of_the_file(path: Path) -> None:
    content = json.loads(path.read_bytes())
    assert content["kdf"] == "PBKDF2-HMAC-SHA-256"
    assert content["iterations"] >= 600_000
    assert len(base64.b64decode(content["salt"])) == 16
    assert content["cipher"] == "AES-256-GCM"


def test_kek_is_not_in_file_or_repr(path: Path) -> None:
    kek, _ = key_file.read_key_file(path, PASSPHRASE, purpose="telemetry local_key")
    shown = path.read_bytes() + repr(describe(path)).encode() + repr(provider_of(path)).encode()
    for form in (kek, kek.hex().encode(), base64.b64encode(kek), hashlib.sha256(kek).hexdigest().encode()[:32]):
        assert form not in shown
    assert PASSPHRASE.encode() not in shown


def test_two_files_have_nothing_in_common(tmp_path: Path, file_bytes: bytes) -> None:
    create(tmp_path / "second.json", PASSPHRASE)
    first, second = json.loads(file_bytes), json.loads((tmp_path / "second.json").read_bytes())
    for name in ("salt", "iv", "sealed"):
        assert first[name] != second[name]
    assert first["public"]["fingerprint"] != second["public"]["fingerprint"]


def test_wrong_passphrase_stops_the_start(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="passphrase is wrong") as caught:
        provider_of(path, "wrong one").check()
    assert "wrong one" not in str(caught.value)


def test_wrong_passphrase_later_is_access_denied(path: Path) -> None:
    with pytest.raises(KeyAccessDeniedError):
        provider_of(path, "wrong one").generate_data_key(CONTEXT)


@pytest.mark.parametrize("fault", ["wrong passphrase", "open to others", "damaged", "not Unicode", "no folder"])
def test_passphrase_is_not_shown_by_a_traceback(path: Path, fault: str) -> None:
    secret = "hunter2" * 3
    if fault == "open to others":
        path.chmod(0o644)
    elif fault == "damaged":
        path.write_bytes(b"{}")
    elif fault == "no folder":
        path = path / "kek.json"
    provider = provider_of(path, secret + "\udcff" if fault == "not Unicode" else secret)
    with pytest.raises(ConfigurationError) as caught:
        provider.check()
    traced = TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [frame for frame in traced.stack if Path(frame.filename) != Path(__file__)]
    assert frames
    assert not any(secret in str(frame.locals) for frame in frames)


def test_passphrase_that_is_not_unicode(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not Unicode"):
        provider_of(path, "\udcff").check()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o610])
def test_file_that_others_may_touch(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        provider_of(path).check()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root's file to another user's group")
@pytest.mark.parametrize(
    ("owner", "mode", "is_accepted"), [(0, 0o440, True), (0, 0o460, False), (0, 0o444, False), (12_345, 0o440, False)]
)
def test_file_that_root_hands_to_a_group(
    path: Path, owner: int, mode: int, is_accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(path, owner, 12_345)
    path.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    if is_accepted:
        provider_of(path).check()
        return
    with pytest.raises(ConfigurationError, match="chmod 600"):
        provider_of(path).check()


def test_file_of_another_user(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = path.stat().st_uid
    if owner == 0:
        os.chown(path, 12_345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigurationError, match="another user"):
        provider_of(path).check()


def test_symbolic_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with pytest.raises(ConfigurationError, match="links are refused"):
        provider_of(link).check()


def test_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "elsewhere.json"
    link.symlink_to(target)
    with pytest.raises(ConfigurationError):
        provider_of(link).check()
    assert not target.exists()


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_no_regular_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(ConfigurationError, match="regular file"):
        provider_of(path).check()


@pytest.mark.parametrize("position", range(0, 600, 7))
def test_every_damaged_byte_is_found(path: Path, file_bytes: bytes, position: int) -> None:
    position %= len(file_bytes)
    damaged = file_bytes[:position] + bytes((file_bytes[position] ^ 0x04,)) + file_bytes[position + 1 :]
    path.write_bytes(damaged)
    try:
        same = json.loads(damaged) == json.loads(file_bytes)
    except ValueError:
        same = False
    if same:
        return  # white space means nothing
    with pytest.raises(ConfigurationError) as caught:
        provider_of(path).check()
    assert "passphrase" not in str(caught.value), "a damaged file is not taken for a wrong passphrase"


@pytest.mark.parametrize("path", ["", "/", ".", "a\0b", "keys/a\0b"])
def test_path_that_no_file_can_have(path: str) -> None:
    for act in (lambda: create(Path(path), PASSPHRASE), lambda: describe(Path(path)), provider_of(Path(path)).check):
        with pytest.raises(ConfigurationError, match="no name"):
            act()


@pytest.mark.parametrize("size", [0, 1, 100])
def test_truncated_file(path: Path, file_bytes: bytes, size: int) -> None:
    path.write_bytes(file_bytes[:size])
    with pytest.raises(ConfigurationError, match="damaged"):
        provider_of(path).check()


@pytest.mark.parametrize("content", [b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 60_000, b"1" * 5_000])
def test_file_that_is_something_else(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError):
        provider_of(path).check()


def test_enormous_file_is_not_read(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(10 << 30)
    with pytest.raises(ConfigurationError, match="too large"):
        provider_of(path).check()


@pytest.mark.parametrize("iterations", [599_999, 1, 0, -1, 100_000_001, 10**30, True, 600_000.0, "600000", None])
def test_excessive_rounds_are_refused_before_deriving(
    path: Path, iterations: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(path, iterations=iterations)
    monkeypatch.setattr(key_file, "_derive", lambda *_: pytest.fail("it was derived"))
    with pytest.raises(ConfigurationError):
        provider_of(path).check()


@pytest.mark.parametrize(
    "changes",
    [
        {"kdf": "PBKDF2-HMAC-SHA-1"},
        {"cipher": "none"},
        {"version": 2},
        {"purpose": "telemetry signing"},
        {"salt": base64.b64encode(b"short").decode()},
        {"salt": ""},
        {"salt": "not base64!"},
        {"iv": base64.b64encode(b"x" * 200).decode()},
        {"iv": ""},
        {"sealed": ""},
        {"public": {"fingerprint": 1}},
        {"public": []},
    ],
)
def test_altered_field_with_fitting_digest(path: Path, changes: dict[str, Any]) -> None:
    rewrite(path, **changes)
    with pytest.raises(ConfigurationError):
        provider_of(path).check()


def test_altered_public_facts_do_not_open(path: Path) -> None:
    rewrite(path, public={"fingerprint": "0" * 32})
    with pytest.raises(ConfigurationError):
        provider_of(path).check()


def test_key_is_derived_once_by_many_threads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    derived, original = [], key_file._derive

    def count(*arguments: Any) -> bytes:
        derived.append(threading.get_ident())
        return original(*arguments)

    monkeypatch.setattr(key_file, "_derive", count)
    provider = provider_of(path)
    assert derived == [], "nothing is derived before it is needed"
    with ThreadPoolExecutor(20) as pool:
        keys = list(pool.map(lambda _: provider.generate_data_key(CONTEXT), range(100)))
        assert all(pool.map(lambda key: provider.unwrap(key.wrapped, key.key_uri, CONTEXT) == key.plaintext, keys))
    assert len(derived) == 1


def test_change_of_passphrase_keeps_the_key(path: Path) -> None:
    running = provider_of(path)
    before = running.generate_data_key(CONTEXT)
    change_passphrase(path, PASSPHRASE, "another one")
    after = provider_of(path, "another one")
    assert after.unwrap(before.wrapped, before.key_uri, CONTEXT) == before.plaintext
    assert running.generate_data_key(CONTEXT).key_uri == before.key_uri, "a running process is not disturbed"
    with pytest.raises(ConfigurationError, match="passphrase is wrong"):
        provider_of(path).check()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_failed_change_of_passphrase_leaves_the_file(
    path: Path, file_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match="passphrase is wrong"):
        change_passphrase(path, "wrong", "another one")
    with pytest.raises(ConfigurationError, match="empty"):
        change_passphrase(path, PASSPHRASE, "")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigurationError, match="No space left"):
            change_passphrase(path, PASSPHRASE, "another one")
    assert path.read_bytes() == file_bytes
    assert [entry.name for entry in path.parent.iterdir()] == ["kek.json"]


def test_replaced_by_another_key_while_running(path: Path, tmp_path: Path) -> None:
    running = provider_of(path)
    before = running.generate_data_key(CONTEXT)
    create(tmp_path / "new.json", PASSPHRASE)
    (tmp_path / "new.json").replace(path)
    assert running.generate_data_key(CONTEXT).key_uri != before.key_uri
    with pytest.raises(KeyMismatchError):
        running.unwrap(before.wrapped, before.key_uri, CONTEXT)


def test_file_gone_or_readable_while_running(path: Path) -> None:
    running = provider_of(path)
    key = running.generate_data_key(CONTEXT)
    path.chmod(0o644)
    with pytest.raises(KeyAccessDeniedError, match="chmod 600"):
        running.unwrap(key.wrapped, key.key_uri, CONTEXT)
    path.chmod(0o600)
    assert running.unwrap(key.wrapped, key.key_uri, CONTEXT) == key.plaintext
    path.unlink()
    for act in (
        lambda: running.generate_data_key(CONTEXT),
        lambda: running.unwrap(key.wrapped, key.key_uri, CONTEXT),
    ):
        with pytest.raises(KeyNotFoundError):
            act()
    assert not path.exists()


def test_reader_never_creates_a_key(tmp_path: Path, path: Path) -> None:
    key = provider_of(path).generate_data_key(CONTEXT)
    mistyped = tmp_path / "kek.jsno"
    with pytest.raises(KeyNotFoundError, match="telemetry keys init"):
        provider_of(mistyped).unwrap(key.wrapped, key.key_uri, CONTEXT)
    assert not mistyped.exists()


def test_existing_file_is_never_overwritten(path: Path, file_bytes: bytes) -> None:
    with pytest.raises(ConfigurationError, match="exists already"):
        create(path, PASSPHRASE)
    assert path.read_bytes() == file_bytes


def _wrap_first_key(path: str, start: Any, result: Any) -> None:
    provider = provider_of(Path(path))
    start.wait()
    key = provider.generate_data_key(CONTEXT)
    result.put((key.wrapped, key.key_uri, key.plaintext))


def test_processes_at_once_create_one_key(tmp_path: Path) -> None:
    path, spawn = tmp_path / "kek.json", multiprocessing.get_context("spawn")
    start, result = spawn.Event(), spawn.Queue()
    workers = [spawn.Process(target=_wrap_first_key, args=(str(path), start, result)) for _ in range(3)]
    for worker in workers:
        worker.start()
    start.set()
    wraps = [result.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert len({uri for _, uri, _ in wraps}) == 1
    reader = provider_of(path)
    assert all(reader.unwrap(wrapped, uri, CONTEXT) == plaintext for wrapped, uri, plaintext in wraps)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kek.json"]


@pytest.mark.parametrize("problem", ["folder is a file", "read-only folder"])
def test_file_that_cannot_be_created(tmp_path: Path, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "keys"
    if problem == "folder is a file":
        folder.write_text("")
    else:
        folder.mkdir()

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")  # root may write into any folder

        monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ConfigurationError, match="check"):
        provider_of(folder / "kek.json").check()

"""Files that are there whole or not at all, attacked at each step of their writing."""

from __future__ import annotations

import errno
import os
import secrets
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from telemetry.system import durable_file as module
from telemetry.system.durable_file import create_private, durable_file, link_new, open_private, write_durably
from tests.support.disks import small_disk

OLD, NEW = b"old content", b"new content"

KILLED_WRITER = """
import os, signal, sys
from pathlib import Path
from telemetry.system import durable_file

step, target, replace = sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "replace"
calls = 0

def killing(real, number):
    def call(*args, **options):
        global calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)
    return call

if step == "before the bytes are on the disk":
    os.fsync = killing(os.fsync, 1)
elif step == "before the name is given":
    os.link, Path.replace = killing(os.link, 1), killing(Path.replace, 1)
elif step == "before the folder is on the disk":
    os.fsync = killing(os.fsync, 2)
elif step == "before the temporary name is deleted":
    Path.unlink = killing(Path.unlink, 1)
durable_file.write_durably(target, b"new content", replace=replace)
"""

KILLS_WITH_OLD_CONTENT = ["before the bytes are on the disk", "before the name is given"]
KILLS_WITH_NEW_CONTENT = ["before the folder is on the disk", "before the temporary name is deleted"]


def kill_writer(step: str, target: Path, *, replace: bool) -> None:
    mode = "replace" if replace else "create"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", KILLED_WRITER, step, str(target), mode]
    done = subprocess.run(command, check=False, timeout=60, env=environment)
    assert done.returncode == -signal.SIGKILL


def write_and(then: Callable[[BinaryIO], object], target: Path, *, replace: bool) -> None:
    with durable_file(target, replace=replace) as stream:
        stream.write(NEW)
        then(stream)


def fill_the_disk(stream: BinaryIO) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, stream.fileno())
    os.close(full)


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.mark.parametrize("replace", [False, True])
def test_nothing_is_there_before_the_end(target: Path, *, replace: bool) -> None:
    with durable_file(target, replace=replace) as stream:
        stream.write(NEW)
        assert not target.exists()
        (part,) = target.parent.iterdir()
        assert mode_of(part) == 0o600

    assert target.read_bytes() == NEW
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_mode_is_private_under_any_umask(target: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_durably(target, NEW, replace=False)
        write_durably(target, NEW, replace=True)
        os.close(open_private(target.with_name("lock")))
    finally:
        os.umask(before)

    assert mode_of(target) == mode_of(target.with_name("lock")) == 0o600


def test_replaced_file_becomes_private(target: Path) -> None:
    target.write_bytes(OLD)
    target.chmod(0o644)

    write_durably(target, NEW, replace=True)

    assert (target.read_bytes(), mode_of(target)) == (NEW, 0o600)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("step", KILLS_WITH_OLD_CONTENT)
def test_kill_before_the_name_changes_nothing(target: Path, step: str, *, replace: bool) -> None:
    if replace:
        target.write_bytes(OLD)

    kill_writer(step, target, replace=replace)

    assert (target.read_bytes() if replace else target.exists()) == (OLD if replace else False)
    write_durably(target, NEW, replace=replace)
    assert target.read_bytes() == NEW, "a torn temporary file hinders nobody"


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("step", KILLS_WITH_NEW_CONTENT)
def test_kill_after_the_name_leaves_it_whole(target: Path, step: str, *, replace: bool) -> None:
    if replace:
        target.write_bytes(OLD)

    kill_writer(step, target, replace=replace)

    assert target.read_bytes() == NEW
    assert mode_of(target) == 0o600


@pytest.mark.parametrize("replace", [False, True])
def test_bytes_and_name_are_forced_to_disk(target: Path, monkeypatch: pytest.MonkeyPatch, *, replace: bool) -> None:
    steps: list[str] = []
    real_sync, real_link, real_replace = os.fsync, os.link, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "bytes")
        real_sync(descriptor)

    def link(*names: Any, **options: Any) -> None:
        steps.append("name")
        real_link(*names, **options)

    def rename(source: Path, name: Path) -> Path:
        steps.append("name")
        return real_replace(source, name)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(Path, "replace", rename)
    write_durably(target, NEW, replace=replace)

    assert steps == ["bytes", "name", "folder"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("replace", [False, True])
def test_exception_leaves_no_temporary_file(target: Path, error: type[BaseException], *, replace: bool) -> None:
    if replace:
        target.write_bytes(OLD)

    def interrupt(_: BinaryIO) -> None:
        raise error

    with pytest.raises(error):
        write_and(interrupt, target, replace=replace)

    assert [path.read_bytes() for path in target.parent.iterdir()] == ([OLD] if replace else [])


@pytest.mark.parametrize("call", ["fsync", "link", "fchmod"])
def test_failing_call_leaves_no_temporary_file(target: Path, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o277)  # so that the mode has to be mended
    try:
        monkeypatch.setattr(os, call, failing(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            write_durably(target, NEW, replace=False)
    finally:
        os.umask(before)

    assert list(target.parent.iterdir()) == []


def test_full_device_leaves_the_old_file(target: Path) -> None:
    target.write_bytes(OLD)

    with pytest.raises(OSError, match="No space left"):
        write_and(fill_the_disk, target, replace=True)

    assert [path.read_bytes() for path in target.parent.iterdir()] == [OLD]


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="256k") as disk:
        target = disk.folder / "out"
        write_durably(target, OLD, replace=False)

        with pytest.raises(OSError, match="No space left"):
            write_durably(target, b"x" * (1 << 20), replace=True)

        assert [path.read_bytes() for path in disk.folder.iterdir()] == [OLD]
        write_durably(target, NEW, replace=True)


def test_read_only_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="256k") as disk:
        target = disk.folder / "out"
        write_durably(target, OLD, replace=False)
        disk.remount("ro")

        with pytest.raises(OSError, match="Read-only"):
            write_durably(target, NEW, replace=True)

        assert target.read_bytes() == OLD


def test_folder_that_may_not_be_read(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A folder of mode 0300: its entries can be written, but nobody can open it to synchronise it.
    monkeypatch.setattr(module, "sync", failing(errno.EACCES))

    write_durably(target, NEW, replace=False)

    assert target.read_bytes() == NEW


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_system_that_cannot_synchronise_folders(target: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sync", failing(number))

    write_durably(target, NEW, replace=False)

    assert target.read_bytes() == NEW


def test_folder_that_fails_to_synchronise_raises(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sync", failing(errno.EIO))

    with pytest.raises(OSError, match="Input/output error"):
        write_durably(target, NEW, replace=False)


def test_taken_name_is_refused_before_writing(target: Path) -> None:
    target.write_bytes(OLD)

    with pytest.raises(FileExistsError), durable_file(target, replace=False):
        pytest.fail("the block ran")

    assert target.read_bytes() == OLD


def test_file_created_meanwhile_is_not_replaced(target: Path) -> None:
    with pytest.raises(FileExistsError):
        write_and(lambda _: target.write_bytes(OLD), target, replace=False)

    assert [path.read_bytes() for path in target.parent.iterdir()] == [OLD]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("leads", ["to a file", "nowhere"])
def test_link_in_place_is_not_followed(target: Path, leads: str, *, replace: bool) -> None:
    secret = target.with_name("secret")
    if leads == "to a file":
        secret.write_bytes(OLD)
    target.symlink_to(secret)

    with pytest.raises(OSError, match="link" if replace else "exists"):
        write_durably(target, NEW, replace=replace)

    assert target.is_symlink()
    assert (secret.read_bytes() if secret.exists() else OLD) == OLD


def test_link_created_meanwhile_is_not_followed(target: Path) -> None:
    secret = target.with_name("secret")
    secret.write_bytes(OLD)

    with durable_file(target, replace=True) as stream:
        stream.write(NEW)
        target.symlink_to(secret)

    assert (secret.read_bytes(), target.read_bytes(), target.is_symlink()) == (OLD, NEW, False)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_other_things_are_not_replaced(target: Path, kind: str) -> None:
    if kind == "folder":
        target.mkdir()
    else:
        os.mkfifo(target)

    with pytest.raises(OSError, match="not a regular file"):
        write_durably(target, NEW, replace=True)

    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_temporary_name_is_never_a_link(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", lambda _: "guessed")
    secret = target.with_name("secret")
    secret.write_bytes(OLD)
    target.with_name(".out.guessed.part").symlink_to(secret)

    with pytest.raises(FileExistsError):
        write_durably(target, NEW, replace=True)

    assert secret.read_bytes() == OLD


def test_long_name_allows_a_temporary_one(tmp_path: Path) -> None:
    target = tmp_path / ("\N{GRINNING FACE}" * 63)

    write_durably(target, NEW, replace=False)

    assert target.read_bytes() == NEW


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_file_system_without_links(target: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(number))

    write_durably(target, NEW, replace=False)

    assert (target.read_bytes(), mode_of(target)) == (NEW, 0o600)
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(FileExistsError):
        write_durably(target, OLD, replace=False)


@pytest.mark.parametrize("guarded", [False, True])
def test_one_of_many_writers_without_links_wins(
    target: Path, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))
    guard = target.with_name("guard") if guarded else None
    sources = [target.with_name(f"source-{number}") for number in range(20)]
    for source in sources:
        os.close(create_private(source))
        source.write_bytes(source.name.encode())

    def give_name(source: Path) -> bool:
        try:
            link_new(source, target, guard=guard)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(give_name, sources))

    assert won.count(True) == 1
    assert target.read_bytes() == sources[won.index(True)].name.encode()

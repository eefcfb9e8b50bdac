"""A file lock excludes everybody else, and ends with its holder, not with the children that outlive the holder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.storage.local_file import LocalFileProvider
from telemetry.storage.local_lock import FileLock

_HOLDER = """
import os, sys
from pathlib import Path
from telemetry.storage.local_lock import FileLock
lock = FileLock(Path(sys.argv[1]), owner="holder")
assert lock.acquire() and lock.is_held
if sys.argv[2] == "forks":
    ready, write = os.pipe()
    if os.fork() == 0:
        assert not lock.is_held
        assert not FileLock(Path(sys.argv[1]), owner="child").acquire()
        lock.release()
        assert not FileLock(Path(sys.argv[1]), owner="child").acquire()
        os.write(write, b"x")
        sys.stdin.read()
        os._exit(0)
    assert os.read(ready, 1) == b"x"
    assert lock.is_held
sys.stdout.write("held\\n")
sys.stdout.flush()
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, mode: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _HOLDER, path, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replay.lock"


@pytest.mark.parametrize("mode", ["alone", "forks"])
def test_killed_holder_frees_it(path: Path, mode: str) -> None:
    # With "forks", a child of the holder lives on with a copy of every descriptor.
    with holder(path, mode) as process:
        assert not FileLock(path, owner="other").acquire()
        process.kill()
        process.wait(30)
        heir = FileLock(path, owner="heir")
        assert heir.acquire()
        assert heir.is_held
        heir.release()


def test_two_holders_in_one_process(path: Path) -> None:
    first, second = FileLock(path, owner="first"), FileLock(path, owner="second")
    assert first.acquire()
    assert not second.acquire()
    second.release()
    assert first.is_held
    first.release()
    assert second.acquire()
    second.release()


def test_refused_attempt_in_one_process_frees_nothing(path: Path) -> None:
    # A process loses a record lock when it closes any descriptor of the file: a failed attempt must not open one.
    first = FileLock(path, owner="first")
    assert first.acquire()
    assert not FileLock(path, owner="second").acquire()
    probe = f"import sys; from pathlib import Path; from telemetry.storage.local_lock import FileLock\nsys.exit(FileLock(Path({str(path)!r}), owner='p').acquire())"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", probe], env=environment, timeout=60, check=False).returncode == 0
    first.release()
    assert subprocess.run([sys.executable, "-c", probe], env=environment, timeout=60, check=False).returncode == 1


def test_lock_file_deleted_by_an_operator(path: Path) -> None:
    first, second = FileLock(path, owner="first"), FileLock(path, owner="second")
    assert first.acquire()
    path.unlink()
    assert not first.is_held
    assert second.acquire()
    assert (first.is_held, second.is_held) == (False, True)
    first.release()
    assert second.is_held
    second.release()


def test_owner_is_written_for_the_operator(path: Path) -> None:
    lock = FileLock(path, owner="payments")
    assert lock.acquire()
    assert path.read_text() == f"{os.getpid()} payments\n"
    lock.release()


def test_lock_with_a_slash_in_its_name(tmp_path: Path) -> None:
    store = LocalFileProvider(StorageConfig(provider="local_file", base_path=tmp_path))
    with store.lock("replay/a", owner="x", seconds=1.0) as one, store.lock("replay-a", owner="x", seconds=1.0) as two:
        assert one.is_held
        assert two.is_held
    assert list(store.list()) == []

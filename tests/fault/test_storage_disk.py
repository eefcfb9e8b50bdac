"""Fills disks, makes them read-only and kills writers: the errors are clear, and no file is half written."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import StorageAccessDeniedError, StorageFullError
from telemetry.storage.local_file import LocalFileProvider
from tests.services.required import unavailable

_NOBODY = 65_534
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        unavailable("mounting a small file system needs root")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        unavailable(f"root may not mount a small file system here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=30)


def store_in(folder: Path) -> LocalFileProvider:
    return LocalFileProvider(StorageConfig(provider="local_file", base_path=folder / "fallback"))


def content(name: str) -> bytes:
    return name.encode() * 1_000


def fill(store: LocalFileProvider) -> tuple[list[str], StorageFullError]:
    kept: list[str] = []
    for number in range(10_000):
        name = f"t/2025/11/23/{number:06d}"
        try:
            store.put(name, content(name))
        except StorageFullError as exc:
            return kept, exc
        kept.append(name)
    pytest.fail("the disk never became full")


@pytest.mark.parametrize("options", ["size=1m", "size=64m,nr_inodes=40"], ids=["no space", "no inodes"])
def test_disk_becomes_full(tmp_path: Path, options: str) -> None:
    with mounted(tmp_path / "disk", options) as disk:
        store = store_in(disk)
        store.check()
        kept, error = fill(store)
        assert len(kept) > 10
        assert str(disk) in str(error)
        assert "free some space, or move base_path" in str(error)
        assert error.retriable

        # What was acknowledged is all there, what was refused is not, and no half of it takes room.
        assert [stored.name for stored in store.list()] == kept
        assert all(store.get(name) == content(name) for name in kept)
        assert list(disk.rglob("*.tmp")) == []

        # The replay, which makes room, still gets its lock and can delete; then writing goes on.
        with store.lock("replay", owner="worker", seconds=1.0) as lock:
            assert lock.is_held
            for name in kept[:10]:
                store.delete(name)
        store.put("t/2025/11/24/next", content("next"))
        assert store.get("t/2025/11/24/next") == content("next")


def test_check_on_a_full_disk(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=64k") as disk:
        (disk / "other").write_bytes(b"x" * (64 << 10))
        with pytest.raises(StorageFullError, match="free some space"):
            store_in(disk).check()


def test_disk_becomes_read_only(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m") as disk:
        store = store_in(disk)
        store.put("t/a", b"before")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True, timeout=30)
        attempts: list[Callable[[], object]] = [lambda: store.put("t/b", b"x"), store.check, store_in(disk).check]
        for attempt in attempts:
            with pytest.raises(StorageAccessDeniedError) as raised:
                attempt()
            assert str(disk) in str(raised.value)
            assert "remount it writable, or move base_path" in str(raised.value)
        assert store.get("t/a") == b"before"
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True, timeout=30)
        store.put("t/b", b"after")
        assert [stored.name for stored in store.list()] == ["t/a", "t/b"]


_UNPRIVILEGED = """
import os, sys
from pathlib import Path
from telemetry.config import StorageConfig
from telemetry.exceptions import StorageAccessDeniedError
from telemetry.storage.local_file import LocalFileProvider
stores = [LocalFileProvider(StorageConfig(provider="local_file", base_path=Path(path))) for path in sys.argv[2:]]
if int(sys.argv[1]):
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[1]))
for store in stores:
    for attempt in (store.check, lambda: store.put("t/a", b"x"), lambda: store.lock("l", owner="x", seconds=1).__enter__()):
        try:
            attempt()
        except StorageAccessDeniedError as exc:
            print(exc)
        else:
            sys.exit(f"{store!r} is writable")
"""


def test_folder_without_write_permission(tmp_path: Path) -> None:
    # Permissions do not bind root, so root gives its rights away first.
    tmp_path.chmod(0o755)
    for part in tmp_path.parents[:2]:
        part.chmod(0o755)
    closed, readable = tmp_path / "closed", tmp_path / "readable"
    closed.mkdir(mode=0o700)
    readable.mkdir(mode=0o755)
    if os.geteuid() != 0:
        closed.chmod(0o000)
        readable.chmod(0o555)
    uid = _NOBODY if os.geteuid() == 0 else 0
    paths = [closed / "fallback", readable, readable / "fallback"]
    done = subprocess.run(
        [sys.executable, "-c", _UNPRIVILEGED, str(uid), *paths],
        env=_ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    closed.chmod(0o700)
    readable.chmod(0o700)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 9
    for path, line in zip([path for path in paths for _ in range(3)], lines, strict=True):
        assert str(path) in line
        assert "give this process's user read, write and search permission" in line


_WRITER = """
import sys
from pathlib import Path
from telemetry.config import StorageConfig
from telemetry.storage.local_file import LocalFileProvider
store = LocalFileProvider(StorageConfig(provider="local_file", base_path=Path(sys.argv[1]) / "fallback"))
for number in range(100_000):
    name = f"t/2025/11/{number % 28 + 1:02d}/{sys.argv[2]}-{number:06d}"
    store.put(name, name.encode() * 1_000)
    sys.stdout.write(name + "\\n")
    sys.stdout.flush()
"""


def killed_writer(folder: Path, run: int, after: int) -> list[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, folder, str(run)], stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT
    )
    with process:
        assert process.stdout is not None
        names = [process.stdout.readline() for _ in range(after)]
        process.kill()
        names += list(process.stdout)
    # A last line that was torn by the kill was not acknowledged.
    return [name.rstrip("\n") for name in names if name.endswith("\n")]


def test_writer_killed_in_the_middle(tmp_path: Path) -> None:
    chance = random.Random(20251123)  # noqa: S311 - only the moment of the kill
    acknowledged: set[str] = set()
    for run in range(5):
        acknowledged |= set(killed_writer(tmp_path, run, chance.randint(1, 60)))
    store = store_in(tmp_path)
    stored = [stored.name for stored in store.list()]
    assert acknowledged <= set(stored)
    assert len(stored) > 5
    for name in stored:
        assert store.get(name) == content(name)
    store.check()
    assert list(tmp_path.rglob("*.tmp")) == []

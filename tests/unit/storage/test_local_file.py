"""The folder store: durable, private, create-only, never through a link."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import StorageConfig
from telemetry.exceptions import (
    ConfigurationError,
    LifecycleError,
    StorageAccessDeniedError,
    StorageConflictError,
    StorageError,
    StorageFullError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from telemetry.storage import local_folder, provider
from telemetry.storage.local_file import LocalFileProvider

NAME = "audit-events/2025/11/23/a.jsonl"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "var" / "fallback"


@pytest.fixture
def store(base: Path) -> Iterator[LocalFileProvider]:
    with LocalFileProvider(StorageConfig(provider="local_file", base_path=base)) as store:
        yield store


def another(store: LocalFileProvider) -> LocalFileProvider:
    return LocalFileProvider(store.config)


def names(store: LocalFileProvider) -> list[str]:
    return [stored.name for stored in store.list()]


def temporary_files(base: Path) -> list[Path]:
    return list(base.rglob("*.tmp"))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_modes_under_any_umask(base: Path, umask: int) -> None:
    # In a process of its own: the umask belongs to the process, and other threads write files too.
    script = (
        "import os, sys; from telemetry.config import StorageConfig; from telemetry.storage import StorageProviderFactory\n"
        f"os.umask({umask})\n"
        "store = StorageProviderFactory.create(StorageConfig(provider='local_file', base_path=sys.argv[1]))\n"
        f"store.check(); store.put({NAME!r}, b'x')\n"
        "with store.lock('replay', owner='x', seconds=1.0): pass"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, base], check=True, timeout=60, env=environment)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [base, base.parent, *base.rglob("*")]}
    expected = {path: 0o700 if path.is_dir() else 0o600 for path in modes}
    assert modes == expected
    assert len(modes) > 8


def test_existing_folder_keeps_its_mode(base: Path, store: LocalFileProvider) -> None:
    base.mkdir(parents=True)
    base.chmod(0o750)
    store.check()
    assert stat.S_IMODE(base.stat().st_mode) == 0o750


def test_put_forces_everything_to_the_disk(
    base: Path, store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    synced: list[str] = []
    linked: list[str] = []
    real_sync, real_link = os.fsync, os.link

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append("data" if path.suffix == ".tmp" else os.path.relpath(path, base))
        real_sync(descriptor)

    def link(source: Any, target: Any, **options: Any) -> None:
        assert "data" in synced, "the name was given before the data was on the disk"
        linked.append(str(target))
        real_link(source, target, **options)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    store.put(NAME, b"x")
    after = synced[synced.index("data") + 1 :]
    day = "audit-events/2025/11/23"
    # Each new folder's parent when it is created; then, after the link, every folder up to the base.
    assert after[-5:] == [day, "audit-events/2025/11", "audit-events/2025", "audit-events", "."]
    assert len(linked) == 1


def test_no_temporary_file_is_left(base: Path, store: LocalFileProvider) -> None:
    store.put(NAME, b"x")
    with pytest.raises(StorageConflictError):
        store.put(NAME, b"y")
    assert temporary_files(base) == []


def test_failed_write_leaves_no_half_object(
    base: Path, store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.check()
    real_write = os.write

    def write(descriptor: int, data: Any) -> int:
        if len(data) < 50:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real_write(descriptor, data[:25])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StorageError, match="look at the system log"):
        store.put(NAME, b"x" * 100)
    monkeypatch.undo()
    assert names(store) == []
    assert temporary_files(base) == []


ERRORS: list[tuple[int, type[StorageError], str]] = [
    (errno.ENOSPC, StorageFullError, "free some space"),
    (errno.EDQUOT, StorageFullError, "raise the quota"),
    (errno.EROFS, StorageAccessDeniedError, "remount it writable"),
    (errno.EACCES, StorageAccessDeniedError, "give this process's user"),
    (errno.EPERM, StorageAccessDeniedError, "give this process's user"),
    (errno.EIO, StorageError, "system log"),
    (errno.ESTALE, StorageUnreachableError, "mount it again"),
    (errno.EMFILE, StorageError, "Too many open files"),
]


@pytest.mark.parametrize(("number", "expected", "remedy"), ERRORS, ids=lambda value: str(value))  # noqa: PLW0108 - typed
@pytest.mark.parametrize("call", ["fsync", "open", "mkdir"])
def test_error_of_the_file_system(
    number: int,
    expected: type[StorageError],
    remedy: str,
    call: str,
    base: Path,
    store: LocalFileProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.check()

    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(expected) as raised:
        store.put(NAME, b"x")
    assert type(raised.value) is expected
    assert str(base) in str(raised.value)
    assert remedy in str(raised.value)
    assert isinstance(raised.value.__cause__, OSError)
    monkeypatch.undo()
    assert names(store) == []
    store.put(NAME, b"x")
    assert temporary_files(base) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK])
def test_file_system_without_hard_links(number: int, store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: Any, **_options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", fail)
    store.check()
    store.put(NAME, b"x")
    store.put(NAME, b"x")
    with pytest.raises(StorageConflictError):
        store.put(NAME, b"y")
    assert (names(store), store.get(NAME)) == ([NAME], b"x")


def test_folder_deleted_during_a_write(store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another process deletes the day's folder, which is empty, between our mkdir and our link.
    real_link = os.link
    taken: list[Path] = []

    def link(source: Any, target: Any, **options: Any) -> None:
        if len(taken) < 3:
            taken.append(Path(target).parent)
            local_folder.remove_empty(taken[-1], below=taken[-1].parents[3])
        real_link(source, target, **options)

    monkeypatch.setattr(os, "link", link)
    store.put(NAME, b"x")
    assert len(taken) == 3
    assert store.get(NAME) == b"x"


def test_delete_removes_only_empty_folders(base: Path, store: LocalFileProvider) -> None:
    store.put("t/2025/11/23/a", b"x")
    store.put("t/2025/11/24/b", b"x")
    store.delete("t/2025/11/23/a")
    assert not (base / "t/2025/11/23").exists()
    assert store.get("t/2025/11/24/b") == b"x"
    store.delete("t/2025/11/24/b")
    assert not (base / "t").exists()
    assert base.exists()


def test_dead_process_temporary_file_is_deleted(base: Path, store: LocalFileProvider) -> None:
    store.check()
    script = (
        "import os, signal, sys; from pathlib import Path; from telemetry.storage import local_folder\n"
        "local_folder.write_temporary(Path(sys.argv[1]), b'half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script, base / "@internal/tmp"], check=False, timeout=60, env=environment)
    assert len(temporary_files(base)) == 1
    assert names(store) == []
    another(store).check()
    assert temporary_files(base) == []


def test_living_process_temporary_file_is_kept(base: Path, store: LocalFileProvider) -> None:
    store.check()
    path, descriptor = local_folder.write_temporary(base / "@internal/tmp", b"half")
    another(store).check()
    assert path.exists()
    os.close(descriptor)
    another(store).check()
    assert not path.exists()


def test_object_link_is_not_followed(tmp_path: Path, base: Path, store: LocalFileProvider) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"not an object")
    store.put("t/real", b"x")
    (base / "t" / "link").symlink_to(secret)
    assert names(store) == ["t/real"]
    with pytest.raises(StorageAccessDeniedError, match="symbolic link"):
        store.get("t/link")
    with pytest.raises(StorageError):
        store.put("t/link", b"not an object")
    store.delete("t/link")
    assert secret.read_bytes() == b"not an object"


def test_folder_link_is_not_followed(tmp_path: Path, base: Path, store: LocalFileProvider) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a").write_bytes(b"x")
    store.check()
    (base / "t").symlink_to(elsewhere)
    assert names(store) == []
    attempts: list[Callable[[], object]] = [
        lambda: store.put("t/new", b"x"),
        lambda: store.get("t/a"),
        lambda: store.delete("t/a"),
    ]
    for attempt in attempts:
        with pytest.raises(StorageAccessDeniedError, match="symbolic link"):
            attempt()
    assert sorted(path.name for path in elsewhere.iterdir()) == ["a"]


def test_configured_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = LocalFileProvider(StorageConfig(provider="local_file", base_path=tmp_path / "link"))
    store.check()
    store.put("t/a", b"x")
    assert (tmp_path / "real/t/a").read_bytes() == b"x"


def test_pipe_as_object_does_not_hang(base: Path, store: LocalFileProvider) -> None:
    store.check()
    os.mkfifo(base / "pipe")
    assert names(store) == []
    with pytest.raises(StorageAccessDeniedError, match="not a regular file"):
        store.get("pipe")


def test_folder_in_place_of_an_object(store: LocalFileProvider) -> None:
    store.put("t/a/b", b"x")
    with pytest.raises(StorageConflictError):
        store.put("t/a", b"x")
    with pytest.raises(StorageError):
        store.get("t/a")


def test_object_in_place_of_a_folder(store: LocalFileProvider) -> None:
    store.put("t/a", b"x")
    with pytest.raises(StorageAccessDeniedError, match="a file is in the place of a folder"):
        store.put("t/a/b", b"x")
    with pytest.raises(StorageNotFoundError):
        store.get("t/a/b")
    store.delete("t/a/b")
    assert names(store) == ["t/a"]


@pytest.mark.parametrize(
    "name", ["../outside", "t/../../outside", "/etc/passwd", "t/./a", "t//a", "a\x00b", "a\nb", ""]
)
def test_name_that_leads_outside_is_refused_everywhere(name: str, store: LocalFileProvider) -> None:
    store.check()
    attempts: list[Callable[[], object]] = [
        lambda: store.put(name, b"x"),
        lambda: store.get(name),
        lambda: store.delete(name),
    ]
    for attempt in attempts:
        with pytest.raises(StorageLimitError):
            attempt()


def test_object_larger_than_any_of_ours(base: Path, store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("t/a", b"x" * 11)
    monkeypatch.setattr(local_folder, "MAX_OBJECT_BYTES", 10)
    monkeypatch.setattr(provider, "MAX_OBJECT_BYTES", 10)
    with pytest.raises(StorageLimitError, match="larger than 10 bytes"):
        store.get("t/a")
    with pytest.raises(StorageLimitError, match="limit of 10"):
        store.put("t/b", b"x" * 11)
    store.put("t/b", b"x" * 10)


def test_foreign_file_is_listed(base: Path, store: LocalFileProvider) -> None:
    store.put("t/a", b"x")
    (base / "t" / "odd name (1) ä.txt").write_bytes(b"foreign")
    assert names(store) == ["t/a", "t/odd name (1) ä.txt"]
    assert store.get("t/odd name (1) ä.txt") == b"foreign"
    store.delete("t/odd name (1) ä.txt")
    assert names(store) == ["t/a"]


def test_listing_reads_page_by_page(store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = []
    for number in range(25):
        for name in (f"t/{number:03d}", f"t/{number:03d}.d/x", f"t/{number:03d}-d/x"):
            store.put(name, b"x")
            expected.append(name)
    monkeypatch.setattr(local_folder, "_PAGE", 7)
    assert names(store) == sorted(expected)


def test_listing_of_an_absent_folder(store: LocalFileProvider) -> None:
    assert names(store) == []


def test_relative_path_is_that_of_the_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    store = LocalFileProvider(StorageConfig(provider="local_file", base_path=Path("fallback")))
    monkeypatch.chdir(tmp_path / "b")
    store.put("t/a", b"x")
    assert (tmp_path / "a/fallback/t/a").exists()


def test_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    LocalFileProvider(StorageConfig(provider="local_file", base_path=Path("~/fallback"))).check()
    assert (tmp_path / "fallback").is_dir()


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "fallback").write_text("x")
    store = LocalFileProvider(StorageConfig(provider="local_file", base_path=tmp_path / "fallback"))
    with pytest.raises(StorageAccessDeniedError, match="a file is in the place of a folder"):
        store.check()


def test_disk_that_gives_back_other_bytes(store: LocalFileProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_folder, "read", lambda _path: b"other")
    with pytest.raises(StorageError, match="does not give back"):
        store.check()


@pytest.mark.parametrize("prefix", ["a//b", "../x", "a b", "x" * 125, "a/."])
def test_prefix_that_cannot_be_used(prefix: str, base: Path) -> None:
    with pytest.raises(ConfigurationError, match="prefix"):
        LocalFileProvider(StorageConfig(provider="local_file", base_path=base, prefix=prefix))


def test_prefixes_are_separate_stores(base: Path) -> None:
    first, second = (
        LocalFileProvider(StorageConfig(provider="local_file", base_path=base, prefix=prefix))
        for prefix in ("/a/", "b/c")
    )
    first.put("t/x", b"1")
    second.put("t/x", b"2")
    assert (base / "a/t/x").read_bytes() == b"1"
    assert (base / "b/c/t/x").read_bytes() == b"2"
    assert names(first) == names(second) == ["t/x"]


def test_closed_store_refuses_every_call(store: LocalFileProvider) -> None:
    store.close()
    attempts: list[Callable[[], object]] = [
        lambda: store.put(NAME, b"x"),
        lambda: store.get(NAME),
        lambda: names(store),
        lambda: store.delete(NAME),
        store.check,
    ]
    for attempt in attempts:
        with pytest.raises(LifecycleError, match="is closed"):
            attempt()

"""Files that another user could write, replace or redirect, each found by the place where that is possible."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from telemetry.system.file_trust import FileFault, find_fault, is_readable_by_all, read_believed

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")

STRANGER = 2_001


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    path = folder / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    return path


def _give_away(path: Path, *, uid: int = STRANGER, gid: int = -1) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    os.chown(path, uid, gid, follow_symlinks=False)


def _fault(path: Path) -> FileFault:
    fault = find_fault(path)
    assert fault is not None
    return fault


def test_own_file_is_believed(file: Path) -> None:
    assert find_fault(file) is None
    assert read_believed(file, max_bytes=7) == b"content"


def test_relative_path_is_looked_up_from_here(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    file.parent.chmod(0o777)

    assert _fault(Path("file")).place == file.parent
    assert _fault(Path("../folder/file")).place == file.parent


@pytest.mark.parametrize("mode", [0o602, 0o666, 0o646])
def test_file_that_all_may_write(file: Path, mode: int) -> None:
    file.chmod(mode)

    fault = _fault(file)

    assert (fault.place, fault.reason) == (file, "may be written by others")
    assert fault.remedy == f"chmod go-w {file}"
    assert read_believed(file, max_bytes=7) == fault


def test_file_that_another_group_may_write(file: Path) -> None:
    _give_away(file, uid=0, gid=STRANGER)
    file.chmod(0o660)

    assert _fault(file).reason == "may be written by others"


def test_root_group_may_write(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may choose the group")
    os.chown(file, 0, 0)
    file.chmod(0o660)

    assert find_fault(file) is None


def test_file_of_another_user(file: Path) -> None:
    _give_away(file)

    assert "belongs to another user (uid 2001)" in str(_fault(file))


def test_folder_on_the_way_that_all_may_write(file: Path) -> None:
    file.parent.chmod(0o777)

    assert (_fault(file).place, _fault(file).remedy) == (file.parent, f"chmod go-w {file.parent}")


def test_folder_with_sticky_bit_is_fine(file: Path) -> None:
    file.parent.chmod(0o1777)

    assert find_fault(file) is None
    # A folder that is wanted for itself is not: everybody may put files into it.
    assert _fault(file.parent).reason == "may be written by others"


def test_group_may_write_only_to_folders_of_root(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _give_away(file.parent, uid=0, gid=STRANGER)
    file.parent.chmod(0o775)
    assert find_fault(file) is None

    _give_away(file.parent, uid=STRANGER, gid=STRANGER)
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert (_fault(file).place, _fault(file).reason) == (file.parent, "is a folder that others may write to")


def test_folder_of_another_user_far_above(file: Path) -> None:
    _give_away(file.parent.parent)

    assert (_fault(file).place, _fault(file).reason) == (file.parent.parent, "is a folder of another user (uid 2001)")


def test_own_links_are_followed_to_the_end(file: Path, tmp_path: Path) -> None:
    # As Kubernetes mounts a secret: name -> ..data/name, and ..data -> a folder with the time as its name.
    mount = tmp_path / "mount"
    mount.mkdir(mode=0o1777)
    mount.chmod(0o1777)
    (mount / "..data").symlink_to("../folder")
    (mount / "name").symlink_to("..data/file")

    assert find_fault(mount / "name") is None
    assert read_believed(mount / "name", max_bytes=7) == b"content"

    file.chmod(0o606)
    assert _fault(mount / "name").place == file


def test_link_of_another_user(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    _give_away(link)

    assert (_fault(link).place, _fault(link).reason) == (link, "is a link of another user (uid 2001)")


def test_link_into_an_open_folder(file: Path, tmp_path: Path) -> None:
    file.parent.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to("folder/file")

    assert _fault(link).place == file.parent


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(OSError, match="symbolic links") as caught:
        find_fault(tmp_path / "a")

    assert caught.value.errno == errno.ELOOP


def test_absent_file_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_fault(tmp_path / "absent")


def test_fifo_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)

    fault = read_believed(tmp_path / "fifo", max_bytes=10)

    assert isinstance(fault, FileFault)
    assert fault.reason == "is not a regular file"


def test_folder_is_not_read(tmp_path: Path) -> None:
    fault = read_believed(tmp_path, max_bytes=10)

    assert isinstance(fault, FileFault)


def test_too_large_file_is_refused(file: Path) -> None:
    fault = read_believed(file, max_bytes=6)

    assert isinstance(fault, FileFault)
    assert "larger than 6 bytes" in fault.reason


@pytest.mark.parametrize(("mode", "expected"), [(0o600, False), (0o640, False), (0o604, True), (0o644, True)])
def test_who_may_read(file: Path, mode: int, *, expected: bool) -> None:
    file.chmod(mode)

    assert is_readable_by_all(file) is expected
    assert stat.S_IMODE(file.stat().st_mode) == mode

"""Only a folder and files of our own are used, whatever else is in the folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from telemetry.audit.spool.adoption import adopt_segments
from telemetry.audit.spool.own_files import ForeignFileError, open_folder, require_own
from telemetry.exceptions import SpoolError
from tests.support.leftovers import leave_segment, owner, records

STRANGER = 2_001

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")


@posix
def test_new_folder_is_ours_alone(tmp_path: Path) -> None:
    open_folder(tmp_path / "deep" / "spool")
    assert (tmp_path / "deep" / "spool").stat().st_mode & 0o777 == 0o700


@posix
@pytest.mark.parametrize("mode", [0o777, 0o702, 0o1777])
def test_folder_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(SpoolError, match="chmod"):
        open_folder(folder)


@posix
def test_folder_in_an_open_folder_is_refused(tmp_path: Path) -> None:
    parent = tmp_path / "shared"
    parent.mkdir()
    parent.chmod(0o777)

    with pytest.raises(SpoolError, match="shared"):
        open_folder(parent / "spool")

    parent.chmod(0o1777)
    open_folder(parent / "spool")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    os.chown(folder, STRANGER, STRANGER)

    with pytest.raises(SpoolError, match="another user"):
        open_folder(folder)


@posix
@pytest.mark.parametrize("beside", ["", "-wal", "-journal", "-shm"])
@pytest.mark.parametrize("kind", ["symbolic link", "FIFO", "folder", "hard link", "open"])
def test_strange_file_is_left_and_does_not_stop_others(
    tmp_path: Path, kind: str, beside: str, caplog: pytest.LogCaptureFixture
) -> None:
    spool = tmp_path / "spool"
    logged = records(3)
    leave_segment(spool, logged)
    strange, target = spool / "0198c0de-0000-7000-8000-000000000001.spool", tmp_path / "target"
    if beside:
        shutil.copy2(spool / f"{logged[0].producer}.spool", strange)
    target.write_bytes(b"precious" * 1_000)
    place = Path(f"{strange}{beside}")
    if kind == "symbolic link":
        place.symlink_to(target)
    elif kind == "hard link":
        place.hardlink_to(target)
    elif kind == "FIFO":
        os.mkfifo(place, 0o600)
    elif kind == "folder":
        place.mkdir()
    else:
        place.write_bytes(b"precious" * 1_000)
        place.chmod(0o666)

    with pytest.raises(ForeignFileError, match="0198c0de"):
        require_own(strange)
    (adopted,) = adopt_segments(spool, owner(is_sealed=False))

    assert adopted.producer == logged[0].producer
    assert os.path.lexists(place)
    assert target.read_bytes() == b"precious" * 1_000
    assert str(place) in caplog.text
    adopted.close()


def test_database_of_another_program_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A backup or an upload may put it there: it is neither turned into a segment nor called damaged."""
    path = tmp_path / "customers.spool"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE customer (name)")
    connection.close()
    before = path.read_bytes()

    assert adopt_segments(tmp_path, owner(is_sealed=False)) == []

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["customers.spool"]
    assert str(path) in caplog.text


def test_damaged_log_is_not_copied_through_a_link(tmp_path: Path) -> None:
    path, target = leave_segment(tmp_path / "spool", records(20)), tmp_path / "target"
    target.write_text("precious")
    log = path.with_name(path.name + "-wal")
    content = bytearray(log.read_bytes())
    content[10] ^= 0xFF
    log.write_bytes(bytes(content))
    path.with_suffix(".damaged-wal").symlink_to(target)

    for segment in adopt_segments(path.parent, owner(is_sealed=False)):
        segment.close()

    assert target.read_text() == "precious"

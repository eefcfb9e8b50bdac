from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from telemetry.exceptions import StorageError, StorageFullError
from telemetry.system.spill_file import SpillFile


def test_reads_what_was_written() -> None:
    file = SpillFile()
    starts = [file.append(b"%d" % number * 10) for number in range(10)]

    assert [file.read(start, 10) for start in starts] == [b"%d" % number * 10 for number in range(10)]
    assert file.read(95, 100) == b"9" * 5
    assert file.size == 100

    file.close()
    assert (file.size, file.read(0, 1)) == (0, b"")
    assert file.append(b"again") == 0
    file.close()


def test_has_no_name_and_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = SpillFile()
    file.append(b"x")
    assert file._file is not None
    status = os.fstat(file._file.fileno())

    assert list(tmp_path.iterdir()) == []
    assert (stat.S_IMODE(status.st_mode), status.st_nlink) == (0o600, 0)
    file.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
def test_full_disk_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)

        with pytest.raises(StorageFullError, match="TMPDIR"):
            SpillFile().append(b"x")


def test_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "absent"))

    with pytest.raises(StorageError, match="absent"):
        SpillFile().append(b"x")

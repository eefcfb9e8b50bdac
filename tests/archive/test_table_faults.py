"""The table of an archive after kills and on a full disk: it follows the seals again."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from telemetry.archive.files.writing import write_data_files
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.exceptions import ArchiveError, StorageError
from telemetry.format.archive.seal import SealedFile
from tests.support.disks import small_disk
from tests.unit.archive.files.test_data_file import rows
from tests.unit.archive.table.test_archive_table import as_others_see_it, open_store, seal

_KILLS = 4
_SEALS = 60
_REGISTER = """
import sys
from pathlib import Path
import msgspec
from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.format.archive.seal import SealedFile
from tests.unit.archive.table.test_archive_table import open_store, seal

folder = Path(sys.argv[1])
files = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=list[SealedFile])
with open_store(folder) as store, ArchiveTable.open(store) as table:
    for number in range(table.sealed_number() + 1, len(files)):
        table.register(seal(number, files[number : number + 1]))
        print(number, flush=True)
"""


def test_killed_registration_is_resumed(tmp_path: Path) -> None:
    folder, listed = tmp_path / "archive", tmp_path / "files.json"
    with open_store(folder) as store:
        files = [file for number in range(_SEALS) for file in write_data_files(store, rows(1, first=number))]
    listed.write_bytes(msgspec.json.encode(files))
    moment = random.Random(7)  # noqa: S311 - when it is killed
    for _ in range(_KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", _REGISTER, str(folder), str(listed)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(moment.randrange(1, 10)):
                process.stdout.readline()
            # Somewhere in the next registration: it takes some tens of milliseconds.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(moment.random() * 0.08)
            process.kill()
    with open_store(folder) as store, ArchiveTable.open(store) as table:
        reached = table.sealed_number()
        assert _KILLS <= reached + 1 < _SEALS
        assert table.file_names() == {file.name for file in files[: reached + 1]}
        for number in range(reached + 1, reached + 4):
            table.register(seal(number, files[number : number + 1]))
    assert as_others_see_it(folder).scan().to_arrow().num_rows == reached + 4


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 4_096)


def test_full_disk_costs_no_rows(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="8m") as disk:
        folder = disk.folder / "archive"
        with open_store(folder) as store, ArchiveTable.open(store) as table:
            first = write_data_files(store, rows(50))
            table.register(seal(0, first))
            waiting: list[SealedFile] = []
            filler = disk.folder / "filler"
            fill(filler)
            with pytest.raises(StorageError):
                waiting += write_data_files(store, rows(2_000, size=500))
            with pytest.raises((ArchiveError, StorageError)):
                table.register(seal(1))
            filler.unlink()
            waiting += write_data_files(store, rows(2_000, first=50, size=500))
            assert table.sealed_number() == 0
            table.register(seal(1, waiting))
            assert table.file_names() == {file.name for file in (*first, *waiting)}
        assert as_others_see_it(folder).scan().to_arrow().num_rows == 2_050

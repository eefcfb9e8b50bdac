"""Write-ahead logs that are whole, torn at their end, or damaged before it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from telemetry.audit.spool.wal_check import has_lost_commits, wal_of

PAGE = 4_096
FRAME = 24 + PAGE
HEADER = 32


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with ten commits of one page each, all in its log, as a killed process leaves it."""
    path = tmp_path / "live.db"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA page_size = {PAGE}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(10):
        connection.execute("INSERT INTO t VALUES (?)", (number,))
    copy = tmp_path / "left.db"
    for source, target in ((path, copy), (wal_of(path), wal_of(copy))):
        shutil.copyfile(source, target)
    connection.close()
    return copy


def lost_commits(path: Path) -> bool:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        return has_lost_commits(connection, path)
    finally:
        connection.close()


def change(path: Path, offset: int) -> None:
    content = bytearray(wal_of(path).read_bytes())
    content[offset] ^= 0xFF
    wal_of(path).write_bytes(bytes(content))


def test_whole_log_has_lost_nothing(database: Path) -> None:
    assert wal_of(database).stat().st_size == HEADER + 10 * FRAME
    assert not lost_commits(database)


def test_absent_log_has_lost_nothing(database: Path) -> None:
    wal_of(database).unlink()
    assert not lost_commits(database)


@pytest.mark.parametrize("size", [0, 1, HEADER, HEADER + 24])
def test_log_without_a_frame_has_lost_nothing(database: Path, size: int) -> None:
    wal_of(database).write_bytes(wal_of(database).read_bytes()[:size])
    assert not lost_commits(database)


@pytest.mark.parametrize("byte", [0, 3, 8, 12, 16, 24, 31])
def test_altered_header_loses_everything(database: Path, byte: int) -> None:
    change(database, byte)
    assert lost_commits(database)


@pytest.mark.parametrize("frame", range(9))
def test_altered_frame_loses_those_after_it(database: Path, frame: int) -> None:
    change(database, HEADER + frame * FRAME + 100)
    # Of the last two frames the first is altered and the last whole: one whole commit was lost.
    assert lost_commits(database)


def test_altered_last_frame_is_a_torn_write(database: Path) -> None:
    change(database, HEADER + 9 * FRAME + 100)
    assert not lost_commits(database)


@pytest.mark.parametrize("cut", [1, PAGE, FRAME - 1])
def test_cut_last_frame_is_a_torn_write(database: Path, cut: int) -> None:
    wal_of(database).write_bytes(wal_of(database).read_bytes()[:-cut])
    assert not lost_commits(database)


def test_frames_of_earlier_rounds_are_ignored(database: Path) -> None:
    content = bytearray(wal_of(database).read_bytes())
    for frame in range(5, 10):
        # Salts of the round before, at bytes 8 to 16 of each frame's header.
        start = HEADER + frame * FRAME + 8
        content[start : start + 8] = b"\x01" * 8
    wal_of(database).write_bytes(bytes(content))
    assert not lost_commits(database)

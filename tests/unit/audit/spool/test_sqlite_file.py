"""Connections that own their file, and SQLite's errors in the spool's words."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import pytest

from telemetry.audit.spool.sqlite_file import DamagedSegmentError, checked, connect, is_busy, translated
from telemetry.exceptions import SpoolError

PATH = Path("/spool/018f.spool")


def error_of(code: int, text: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def test_second_connection_finds_the_file_busy(tmp_path: Path) -> None:
    first = connect(tmp_path / "a.spool", patience=0.0)
    first.execute("CREATE TABLE t (x)")

    with pytest.raises(sqlite3.OperationalError) as refused:
        connect(tmp_path / "a.spool", patience=0.0).execute("SELECT * FROM t")

    assert is_busy(refused.value)
    first.close()
    connect(tmp_path / "a.spool", patience=0.0).close()


def test_commits_are_forced_to_the_disk(tmp_path: Path) -> None:
    connection = connect(tmp_path / "a.spool", patience=0.0)
    facts = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")}
    connection.close()
    assert facts == {"synchronous": 2, "journal_mode": "wal"}


def test_foreign_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.spool").write_bytes(b"rubbish" * 1_000)
    with pytest.raises(sqlite3.DatabaseError) as refused:
        connect(tmp_path / "a.spool", patience=0.0)
    assert isinstance(translated(refused.value, PATH, "adopt"), DamagedSegmentError)


@pytest.mark.parametrize(
    ("error", "expected", "remedy"),
    [
        (error_of(sqlite3.SQLITE_FULL, "database or disk is full"), SpoolError, "free space on its disk"),
        (error_of(sqlite3.SQLITE_IOERR | 3 << 8, "disk I/O error"), SpoolError, "check the disk, the folder's owner"),
        (error_of(sqlite3.SQLITE_CANTOPEN, "unable to open database file"), SpoolError, "check the disk"),
        (OSError(30, "Read-only file system"), SpoolError, "check the disk"),
        (error_of(sqlite3.SQLITE_CORRUPT | 1 << 8, "malformed"), DamagedSegmentError, "check the disk"),
        (error_of(sqlite3.SQLITE_NOTADB, "file is not a database"), DamagedSegmentError, "check the disk"),
        (error_of(sqlite3.SQLITE_ERROR, "no such table: note"), DamagedSegmentError, "check the disk"),
    ],
    ids=lambda value: str(value) if isinstance(value, Exception) else "",
)
def test_error_names_file_reason_and_remedy(error: Exception, expected: type[SpoolError], remedy: str) -> None:
    raised = translated(error, PATH, "write")
    assert type(raised) is expected
    assert raised.retriable is (expected is SpoolError)
    for part in (str(PATH), str(error), remedy):
        assert part in str(raised)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_BUSY | 1 << 8])
def test_locked_file_is_busy(code: int) -> None:
    assert is_busy(error_of(code, "database is locked"))
    assert not is_busy(error_of(sqlite3.SQLITE_IOERR, "disk I/O error"))


def test_column_is_returned_if_its_checksum_fits() -> None:
    assert checked(b"content", zlib.crc32(b"content")) == b"content"


@pytest.mark.parametrize(
    ("content", "crc"), [(b"content", 0), (b"content", None), ("content", 0), (None, None), (7, 7)]
)
def test_column_without_a_fitting_checksum_is_refused(content: object, crc: object) -> None:
    with pytest.raises(ValueError, match="checksum"):
        checked(content, crc)

"""Connections that own their file, and SQLite's errors in the spool's words."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

import pytest

from telemetry.audit.spool.own_files import ForeignFileError
from telemetry.audit.spool.sqlite_file import (
    DamagedSegmentError,
    checked,
    create,
    is_busy,
    lock_with_schema,
    reopen,
    translated,
)
from telemetry.exceptions import SpoolError

PATH = Path("/spool/018f.spool")


def error_of(code: int, text: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error


def begun(path: Path) -> sqlite3.Connection:
    """Return a connection to a new file."""
    path.touch(0o600)
    return create(path, patience=0.0)


def test_second_connection_finds_the_file_busy(tmp_path: Path) -> None:
    first = begun(tmp_path / "a.spool")
    first.execute("CREATE TABLE t (x)")

    with pytest.raises(sqlite3.OperationalError) as refused:
        reopen(tmp_path / "a.spool").execute("SELECT * FROM t")

    assert is_busy(refused.value)
    first.close()
    reopen(tmp_path / "a.spool").close()


def test_commits_are_forced_to_the_disk(tmp_path: Path) -> None:
    connection = begun(tmp_path / "a.spool")
    facts = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")}
    connection.close()
    assert facts == {"synchronous": 2, "journal_mode": "wal"}


def test_foreign_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.spool").write_bytes(b"rubbish" * 1_000)
    with pytest.raises(sqlite3.DatabaseError) as refused:
        reopen(tmp_path / "a.spool")
    assert isinstance(translated(refused.value, PATH, "adopt"), DamagedSegmentError)


def test_absent_file_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reopen(tmp_path / "a.spool")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pragmas", [(), ("journal_mode = WAL",), ("page_size = 32768",)])
def test_database_of_another_program_stays_as_it_is(tmp_path: Path, pragmas: tuple[str, ...]) -> None:
    path = tmp_path / "a.spool"
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE customer (name)")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(ForeignFileError, match="another program"):
        reopen(path)

    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.spool"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE more (x)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE INDEX i ON t (x)",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
    ],
)
def test_more_than_its_own_tables_is_foreign(tmp_path: Path, statement: str) -> None:
    path, own = tmp_path / "a.spool", "CREATE TABLE t (x)"
    connection = begun(path)
    connection.execute(own)
    assert lock_with_schema(connection, path, [own])

    connection.execute(statement)

    with pytest.raises(ForeignFileError):
        lock_with_schema(connection, path, [own])
    connection.close()


def test_rollback_journal_is_not_obeyed(tmp_path: Path) -> None:
    path, journal = tmp_path / "a.spool", tmp_path / "a.spool-journal"
    begun(path).close()
    journal.write_bytes(b"which file to delete")

    with pytest.raises(ForeignFileError, match="journal"):
        reopen(path)

    assert journal.exists()


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


def test_one_of_many_files_keeps_little_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.touch(0o600)

    connection = create(path, patience=0.0, is_small=True)

    try:
        (pages,) = connection.execute("PRAGMA cache_size").fetchone()
        (log,) = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
    finally:
        connection.close()
    assert (pages, log) == (-256, 16)

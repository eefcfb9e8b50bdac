"""Opens a spool file in SQLite and translates SQLite's errors into the spool's."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from telemetry.audit.spool.own_files import ForeignFileError, has_content, is_same_file, require_own
from telemetry.audit.spool.wal_check import journal_of, wal_of
from telemetry.exceptions import SpoolError

_PAGE_BYTES = 32_768
_FIRST_PRAGMAS = (
    # The process keeps the file's lock for as long as it lives, and needs no shared-memory file.
    "PRAGMA locking_mode = EXCLUSIVE",
    # The file may come from a dead process, and its schema must not be able to run anything here.
    "PRAGMA trusted_schema = OFF",
)
_PRAGMAS = (
    f"PRAGMA page_size = {_PAGE_BYTES}",
    "PRAGMA journal_mode = WAL",
    # Each commit waits until the log is on the disk: `durable` means exactly that.
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 128",
    # Some builds of SQLite write zeros over deleted rows, as many bytes as were written before. What is deleted here
    # is sealed, and the same bytes are on the topic.
    "PRAGMA secure_delete = OFF",
)
_SMALL = (
    "PRAGMA wal_autocheckpoint = 16",
    # In KiB. SQLite's default keeps up to 2 MB for each of them; what was sent is deleted, and never read again.
    "PRAGMA cache_size = -256",
)
"""Pages in the log of one of many segments, and in memory; settings of the connection, not of the file."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class DamagedSegmentError(SpoolError):
    """A spool file does not contain what was written to it."""

    retriable = False


def create(path: Path, *, patience: float, is_small: bool = False) -> sqlite3.Connection:
    """Return a connection to a new file; it keeps the file's lock from its first transaction on.

    Args:
        path: The file, which is empty.
        patience: Seconds to wait for a lock that another process has.
        is_small: Whether it should take little of disk and memory, because there are many files.

    Raises:
        sqlite3.Error: The file is locked, or cannot be opened.
    """
    return _prepared(_connect(path, patience), (*_FIRST_PRAGMAS, *_PRAGMAS, *(_SMALL if is_small else ())))


def reopen(path: Path, *, patience: float = 0.0) -> sqlite3.Connection:
    """Return a connection to a file of a dead process; it keeps the file's lock from its first transaction on.

    A database of another kind is left as it is: it is not turned into a segment by being looked at.

    Args:
        path: The file.
        patience: Seconds to wait for a lock that another process has.

    Raises:
        ForeignFileError: It is a database, and this library did not create it.
        OSError: There is no such file.
        sqlite3.Error: The file is locked, damaged, or cannot be opened.
    """
    before = require_own(path)
    if has_content(journal_of(path)):
        raise _foreign(path, "has a rollback journal, which SQLite would obey and which no segment has")
    connection = _prepared(_connect(path, patience), _FIRST_PRAGMAS)
    try:
        if not is_same_file(before, path.lstat()):
            raise _foreign(path, "was exchanged while it was opened")
        if _value_of(connection, "journal_mode") != "wal" or _value_of(connection, "page_size") != _PAGE_BYTES:
            raise _foreign(path, "is a database of another program")
    except (sqlite3.Error, SpoolError, OSError):
        connection.close()
        raise
    return _prepared(connection, _PRAGMAS)


def was_killed_at_birth(path: Path, size: int) -> bool:
    """Return whether a file is not a segment yet, and its process may have been killed before it could be one.

    Args:
        path: The file.
        size: Its size in bytes.
    """
    # SQLite creates the first page under a rollback journal; from then on there is a write-ahead log.
    is_half = size <= _PAGE_BYTES and has_content(journal_of(path)) and not has_content(wal_of(path))
    return size == 0 or is_half


def lock_with_schema(connection: sqlite3.Connection, path: Path, schema: Sequence[str]) -> bool:
    """Lock the file, and return whether it has its tables; without them its process was killed before its first commit.

    Args:
        connection: Connection to the file.
        path: The file.
        schema: The statements that created everything in it.

    Raises:
        ForeignFileError: It has other tables, or a view, an index or a trigger.
        sqlite3.Error: The file is locked or damaged.
    """
    # Locking is exclusive, so the lock outlives this transaction.
    connection.execute("BEGIN EXCLUSIVE")
    found = connection.execute("SELECT type, sql FROM sqlite_master LIMIT ?", (len(schema) + 1,)).fetchall()
    connection.execute("COMMIT")
    if found and sorted(found) != sorted(("table", statement) for statement in schema):
        raise _foreign(path, "is a database of another program, or of another version of this library")
    return bool(found)


def _connect(path: Path, patience: float) -> sqlite3.Connection:
    # Each segment has a lock of its own, so several threads may use the connection in turn. The file exists: without
    # `mode=rw` one that another process has just settled would be created anew.
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)


def _prepared(connection: sqlite3.Connection, pragmas: Sequence[str]) -> sqlite3.Connection:
    try:
        for pragma in pragmas:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _value_of(connection: sqlite3.Connection, pragma: str) -> Any:
    (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return value


def _foreign(path: Path, reason: str) -> ForeignFileError:
    return ForeignFileError(f"{path} {reason}, so it is not a spool segment; look at it, then move it away")


def checked(content: Any, crc: Any) -> bytes:
    """Return the bytes of a column once their checksum fits: SQLite notices a torn page, not an altered byte.

    Raises:
        ValueError: The checksum does not fit.
    """
    if not isinstance(content, bytes) or zlib.crc32(content) != crc:
        message = "a checksum does not fit"
        raise ValueError(message)
    return content


def is_busy(error: Exception) -> bool:
    """Whether another process has the file's lock."""
    return _primary_code(error) in _BUSY


def translated(error: Exception, path: Path, action: str) -> SpoolError:
    """Return our error for one of SQLite or of the system.

    Args:
        error: The error.
        path: The segment.
        action: Verb that says what was tried, such as ``write``.
    """
    if _primary_code(error) in _DAMAGE:
        return damaged(path, error)
    remedy = "free space on its disk" if "full" in str(error) else "check the disk, the folder's owner and its mode"
    return SpoolError(f"cannot {action} the spool segment {path}: {error}; {remedy}")


def damaged(path: Path, error: Exception | str) -> DamagedSegmentError:
    """Return the error for a file that does not contain what was written to it."""
    return DamagedSegmentError(f"the spool segment {path} is damaged: {error}; check the disk")


def _primary_code(error: Exception) -> int:
    # The upper bytes refine the code; the low one is the kind. Errors of the system have none.
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF

"""Opens a spool file in SQLite and translates SQLite's errors into the spool's."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import Any

from telemetry.exceptions import SpoolError

_PRAGMAS = (
    # The process keeps the file's lock for as long as it lives, and needs no shared-memory file.
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA page_size = 32768",
    "PRAGMA journal_mode = WAL",
    # Each commit waits until the log is on the disk: `durable` means exactly that.
    "PRAGMA synchronous = FULL",
    "PRAGMA wal_autocheckpoint = 128",
    # The file may come from a dead process, and its schema must not be able to run anything here.
    "PRAGMA trusted_schema = OFF",
    # Some builds of SQLite write zeros over deleted rows, as many bytes as were written before. What is deleted here
    # is sealed, and the same bytes are on the topic.
    "PRAGMA secure_delete = OFF",
)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class DamagedSegmentError(SpoolError):
    """A spool file does not contain what was written to it."""

    retriable = False


def connect(path: Path, *, patience: float) -> sqlite3.Connection:
    """Return a connection that keeps the file's lock from its first transaction on.

    Args:
        path: The file; it is created if it is absent.
        patience: Seconds to wait for a lock that another process has.

    Raises:
        sqlite3.Error: The file is locked, damaged, or cannot be opened.
    """
    # Each segment has a lock of its own, so several threads may use the connection in turn.
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def checked(content: Any, crc: Any) -> bytes:
    """Return the bytes of a column once their checksum fits: SQLite notices a torn page, not an altered byte.

    Raises:
        ValueError: The checksum does not fit.
    """
    if not isinstance(content, bytes) or zlib.crc32(content) != crc:
        message = "a checksum does not fit"
        raise ValueError(message)
    return content


def is_busy(error: sqlite3.Error) -> bool:
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

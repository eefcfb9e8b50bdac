"""What SQLite's errors mean for a spool segment."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from telemetry.exceptions import SpoolError


class DamagedSegmentError(SpoolError):
    """What a spool file holds is not what was written to it."""

    retriable = False


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has the file's lock."""
    return _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _primary_code(error: Exception) -> int:
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF


def translated(error: Exception, path: Path, what: str) -> SpoolError:
    """Return our error for one of SQLite or of the system, met when trying to do ``what``."""
    if _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
        return damaged(path, error)
    remedy = "free space on its disk" if "full" in str(error) else "check the disk, the folder's owner and its mode"
    return SpoolError(f"cannot {what} the spool segment {path}: {error}; {remedy}")


def damaged(path: Path, error: Exception | str) -> DamagedSegmentError:
    """Return the error for a file that does not hold what was written to it."""
    return DamagedSegmentError(f"the spool segment {path} is damaged: {error}; check the disk")

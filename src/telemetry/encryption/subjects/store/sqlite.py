"""Keeps the subjects' keys in a SQLite file, for processes of one host."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from telemetry.encryption.subjects.store.rows import Residue
from telemetry.encryption.subjects.store.schema import create_tables_sql
from telemetry.encryption.subjects.store.sql import SqlSubjectStore, Statements
from telemetry.exceptions import SubjectStoreError, SubjectTableError
from telemetry.system.durable_file import create_private
from telemetry.system.file_trust import find_fault

_BUSY_SECONDS = 5.0
_SETTINGS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA trusted_schema = OFF",
    # What is deleted is overwritten with zeros, in the pages and in those that become free.
    "PRAGMA secure_delete = ON",
)
_NO_FILE = (0, 0)
_inherited: list[object] = []
"""Connections that are not closed here: a parent process opened them, or another file has taken the place of theirs, whose
log would go with the last connection to a file of that name."""


class SqliteSubjectStore(SqlSubjectStore):
    """The store in a SQLite file on a local disk, of mode 0600.

    Args:
        path: The file; its folder must exist.
        creates: Whether the file and its tables are created if they are absent.
    """

    def __init__(self, path: str | Path, *, creates: bool = False) -> None:
        super().__init__()
        self._path = Path(path).expanduser().absolute()
        self._creates = creates
        self._connection: sqlite3.Connection | None = None
        self._file = _NO_FILE
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"SqliteSubjectStore({str(self._path)!r})"

    @property
    def is_shared(self) -> bool:
        """A file is of one host."""
        return False

    def create_tables(self) -> None:
        """Create the file and its tables."""
        with self._lock, self._translated():
            self._close()
            self._creates = True
            self._connect()

    def clean(self) -> Residue:
        """Write the deleted rows' zeros into the file, and empty the log that had the rows."""
        with self._lock, self._translated():
            busy, _, _ = self._connect().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return Residue(is_clean=True)
        note = f"a process is reading {self._path.name}, so {self._path.name}-wal still has the destroyed rows; run it again"
        return Residue(is_clean=False, note=note)

    def close(self) -> None:
        """Close the file; a connection of the parent process is left alone."""
        with self._lock:
            self._close()

    @contextmanager
    def _begin(self, *, writes: bool) -> Iterator[Statements]:
        with self._translated():
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield _SqliteStatements(connection)
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _now(self, statements: Statements) -> int:  # noqa: ARG002 - the file has no clock of its own
        return time.time_ns() // 1_000_000

    def _connect(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid() and _identity(self._path) == self._file:
            return self._connection
        _inherited.append(self._connection)
        self._connection, self._pid = None, os.getpid()
        if self._creates:
            with contextlib.suppress(FileExistsError):
                os.close(create_private(self._path))
        fault = find_fault(self._path)
        if fault is not None:
            message = f"the subject store {self._path} is not believed: {fault}; {fault.remedy}"
            raise SubjectTableError(message)
        # Taken first: a file that takes its place while this one is opened is noticed with the next transaction.
        self._file = _identity(self._path)
        address = f"file:{quote(str(self._path))}?mode=rw"
        connection = sqlite3.connect(
            address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            for setting in _SETTINGS:
                connection.execute(setting)
            if self._creates:
                _create(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid != os.getpid() or not self._is_in_place():
            _inherited.append(connection)
            return
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def _is_in_place(self) -> bool:
        try:
            return _identity(self._path) == self._file
        except OSError:
            return False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            message = f"the subject store {self._path} cannot be opened: {exc.strerror}; create it with `telemetry subject init`"
            raise SubjectTableError(message) from exc
        except sqlite3.Error as exc:
            self._close()
            raise self._error(exc) from exc

    def _error(self, exc: sqlite3.Error) -> SubjectStoreError:
        name = getattr(exc, "sqlite_errorname", type(exc).__name__)
        if "no such table" in str(exc) or "no such column" in str(exc):
            message = f"{self._path} has no tables of subject keys, or those of another version; `telemetry subject init` creates them"
            return SubjectTableError(message)
        if name in ("SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN"):
            message = (
                f"the subject store {self._path} cannot be used ({name}); check the file and its folder, or restore it"
            )
            return SubjectTableError(message)
        message = f"the subject store {self._path} did not do what was asked ({name})"
        return SubjectStoreError(message)


class _SqliteStatements:
    """Runs statements on a connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, tuple(values)).fetchall()

    def change(self, statement: str, values: Sequence[object] = ()) -> int:
        return self._connection.execute(statement, tuple(values)).rowcount


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _create(connection: sqlite3.Connection) -> None:
    # In a transaction, so that of two processes that come first one creates the tables.
    connection.execute("BEGIN IMMEDIATE")
    for statement in filter(None, map(str.strip, create_tables_sql("sqlite").split(";\n"))):
        connection.execute(statement)
    connection.execute("COMMIT")

"""Keeps the subjects' keys in PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from telemetry.encryption.subjects.store.rows import Residue
from telemetry.encryption.subjects.store.schema import KEYS, TABLES, create_tables_sql
from telemetry.encryption.subjects.store.sql import SqlSubjectStore, Statements
from telemetry.exceptions import (
    ConfigurationError,
    MissingExtraError,
    Problem,
    SubjectStoreError,
    SubjectTableError,
)

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict
except ImportError as exc:
    FEATURE = "a subject store in PostgreSQL"
    raise MissingExtraError(FEATURE, "postgres") from exc

_PARAMETERS: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "telemetry-subjects",
    # A standby would show the keys, and refuse the lease without which they must not be used.
    "target_session_attrs": "read-write",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SESSION = (
    "SET statement_timeout = '30s'",
    "SET lock_timeout = '10s'",
    "SET idle_session_timeout = 0",
    "SET default_transaction_isolation = 'read committed'",
    # A key that a power failure could take back would leave events that nobody can read.
    "SET synchronous_commit = on",
)
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_RIGHTS = f"it needs SELECT, INSERT, UPDATE and DELETE on {', '.join(TABLES)}"
_CLEAN_LIMIT = "10min"
_MAX_LINE = 300
_inherited: list[object] = []
"""Connections that a parent process opened: closing one here would end the parent's session."""


class PostgresSubjectStore(SqlSubjectStore):
    """The store in PostgreSQL 14 or later, for processes on any number of hosts.

    Args:
        conninfo: Connection string or URL of libpq.
    """

    def __init__(self, conninfo: str) -> None:
        super().__init__()
        self._given = _parsed(conninfo)
        self._connection: psycopg.Connection[Any] | None = None
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return "PostgresSubjectStore()"

    @property
    def is_shared(self) -> bool:
        """A server serves many hosts."""
        return True

    def create_tables(self) -> None:
        """Create the tables."""
        with self._lock, self._translated():
            self._connect().execute(create_tables_sql("postgresql").encode())

    def clean(self) -> Residue:
        """Rewrite the table of keys, so that its files have no destroyed rows; needs the table's owner."""
        with self._lock, self._translated():
            connection = self._connect()
            owned = connection.execute(
                "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = %s::regclass", (KEYS,)
            ).fetchone()
            if owned is None or not owned[0]:
                note = f"the table {KEYS} belongs to another role: until its owner runs VACUUM FULL {KEYS}, its files have the destroyed rows"
                return Residue(is_clean=False, note=note)
            connection.execute(f"SET statement_timeout = '{_CLEAN_LIMIT}'")
            # A plain VACUUM frees the place of a row and leaves its bytes there.
            connection.execute(f"VACUUM (FULL) {KEYS}")
            connection.execute(_SESSION[0])
        note = "PostgreSQL's write-ahead log, its archives, replicas and backups still have the destroyed rows until they are recycled"
        return Residue(is_clean=True, note=note)

    def close(self) -> None:
        """Close the connection; that of the parent process is left alone."""
        with self._lock:
            self._close()

    @contextmanager
    def _begin(self, *, writes: bool) -> Iterator[Statements]:  # noqa: ARG002 - the server finds out
        with self._translated():
            connection = self._connect()
            # Read committed: each statement sees what was committed before it.
            with connection.transaction():
                yield _PostgresStatements(connection)

    def _now(self, statements: Statements) -> int:
        return int(statements.rows(_NOW)[0][0])

    def _connect(self) -> psycopg.Connection[Any]:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        _inherited.append(self._connection)
        self._connection, self._pid = None, os.getpid()
        try:
            connection = psycopg.connect(**{**_PARAMETERS, **self._given}, autocommit=True)
        except psycopg.Error as exc:
            # Of a failed connection libpq names host, port, user and reason, and never the password.
            reason = next(iter(str(exc).splitlines()), type(exc).__name__)[:_MAX_LINE]
            message = f"there is no connection to the subject store in PostgreSQL: {reason}"
            raise SubjectStoreError(message) from exc
        self._connection = connection
        for setting in _SESSION:
            connection.execute(setting)
        return connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid != os.getpid():
            _inherited.append(connection)
            return
        with suppress(psycopg.Error):
            connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors; after one that may have cost the session, the connection is given up."""
        try:
            yield
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName) as exc:
            self._close()
            message = "the database has no tables of subject keys, or those of another version; create them with `telemetry subject init`"
            raise SubjectTableError(message) from exc
        except psycopg.errors.InsufficientPrivilege as exc:
            self._close()
            message = (
                f"the database user may not use the tables of subject keys; {_RIGHTS}, less where a process only reads"
            )
            raise SubjectTableError(message) from exc
        except psycopg.Error as exc:
            self._close()
            # The message of the server may quote a row, and that of libpq the name of the user.
            state = f"SQLSTATE {exc.sqlstate}" if exc.sqlstate else type(exc).__name__
            message = f"the subject store in PostgreSQL did not do what was asked ({state})"
            raise SubjectStoreError(message) from exc


class _PostgresStatements:
    """Runs statements on a connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement.replace("?", "%s").encode(), tuple(values)).fetchall()

    def change(self, statement: str, values: Sequence[object] = ()) -> int:
        return self._connection.execute(statement.replace("?", "%s").encode(), tuple(values)).rowcount


def _parsed(conninfo: str) -> dict[str, Any]:
    remedy = "write postgresql://user@host/name, with special characters percent-encoded"
    problem = Problem("audit_config.subject_keys.store", "is no connection string of PostgreSQL", remedy)
    # Of a password with an @ libpq takes the rest for the host, whose name is in its messages.
    if conninfo.partition("?")[0].count("@") > 1:
        raise ConfigurationError(problem)
    try:
        return dict(conninfo_to_dict(conninfo))
    except psycopg.Error:
        # libpq quotes what it does not understand, which may be the password.
        raise ConfigurationError(problem) from None

"""Reads and deletes the outbox of a PostgreSQL database, as the leader of its relays."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from telemetry.exceptions import ConfigurationError, MissingExtraError, OutboxError, OutboxTableError, Problem
from telemetry.outbox.database import COUNTED_ROWS, MAX_BATCH_BYTES, MAX_ROW_BYTES, OutboxDatabase
from telemetry.outbox.rows import Backlog, HeldRow, WaitingRow
from telemetry.outbox.schema import COLUMNS, DEFAULT_TABLE, MAX_REASON, create_table_sql, quoted

try:
    import psycopg
    from psycopg import sql
    from psycopg.conninfo import conninfo_to_dict
except ImportError as exc:
    FEATURE = "an outbox in PostgreSQL"
    raise MissingExtraError(FEATURE, "postgres") from exc

_LOCK_SPACE = 0x74656C6F
"""Upper half of the key of the leader's lock, "telo" in ASCII; the lower half is the table's object id."""
_CLIENT_PARAMETERS = {
    "connect_timeout": 10,
    "application_name": "telemetry-relay",
    # A standby would give the lock and the rows, and then refuse to delete what was delivered.
    "target_session_attrs": "read-write",
    # A server that vanished without a word is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SESSION = (
    # The server's half: the lock of a leader whose machine vanished is free within half a minute.
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET statement_timeout = '30s'",
    "SET lock_timeout = '10s'",
    "SET idle_session_timeout = 0",
    "SET default_transaction_isolation = 'read committed'",
)
_inherited: list[object] = []
"""Connections that a parent process opened: closing one here would end the parent's session."""
_MAX_LINE = 300


class PostgresOutbox(OutboxDatabase):
    """The outbox in PostgreSQL 14 or later.

    The leader's lock is an advisory lock of the session, so the connection must lead to the server itself, or through a
    pooler in session mode. Needed rights: SELECT, UPDATE and DELETE on the table.

    Args:
        conninfo: Connection string or URL of libpq.
        table: Name of the table, with its schema if it has one.
        parameters: Further connection parameters of libpq, which win over the string.
    """

    def __init__(
        self, conninfo: str = "", *, table: str = DEFAULT_TABLE, parameters: Mapping[str, Any] | None = None
    ) -> None:
        self._given = _parsed(conninfo)
        self._name = quoted(table)
        self._table = sql.Identifier(*table.split("."))
        self._parameters = dict(parameters or {})
        self._connection: psycopg.Connection[Any] | None = None
        self._leading_pid: int | None = None

    def __repr__(self) -> str:
        return f"PostgresOutbox(table={self._name})"

    def connect(self) -> None:
        """Connect if need be, and check the table."""
        if self._connection is not None:
            return
        parameters = {**_CLIENT_PARAMETERS, **self._given, **self._parameters}
        try:
            connection = self._connection = psycopg.connect(**parameters, autocommit=True)
        except psycopg.Error as exc:
            # Of a failed connection libpq names host, port, user and reason, and never the password.
            reason = next(iter(str(exc).splitlines()), type(exc).__name__)[:_MAX_LINE]
            message = f"the relay has no connection to PostgreSQL: {reason}"
            raise OutboxError(message) from exc
        with self._translated():
            for statement in _SESSION:
                connection.execute(statement)
            columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
            connection.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(columns, self._table))

    def acquire(self) -> bool:
        """Try to take the advisory lock of the table."""
        self.connect()
        if self._leading_pid is not None:
            return True
        with self._translated() as connection:
            row = connection.execute(
                "SELECT pg_backend_pid(), pg_try_advisory_lock((%s::bigint << 32) | %s::regclass::oid::bigint)",
                (_LOCK_SPACE, self._name),
            ).fetchone()
        if row is not None and row[1]:
            self._leading_pid = row[0]
        return self._leading_pid is not None

    def read(self, limit: int) -> list[WaitingRow]:
        """Return the first rows that are not held."""
        # The size of a value is known without reading it. Whatever is committed is read, also below ids read before.
        statement = sql.SQL(
            "SELECT id, event_id, attempts, CASE WHEN octet_length(data) <= %(row)s THEN data END, pg_backend_pid() "
            "FROM (SELECT *, sum(octet_length(data)) OVER (ORDER BY id) - octet_length(data) AS before FROM "
            "(SELECT id, event_id, attempts, data FROM {} WHERE held IS NULL ORDER BY id LIMIT %(limit)s) AS first) "
            "AS sized WHERE before < %(batch)s ORDER BY id"
        ).format(self._table)
        with self._leading() as connection:
            found = connection.execute(
                statement, {"row": MAX_ROW_BYTES, "limit": limit, "batch": MAX_BATCH_BYTES}
            ).fetchall()
            if any(row[4] != self._leading_pid for row in found):
                message = (
                    "the relay's statements reach different sessions of PostgreSQL, so it cannot keep its lock; connect it "
                    "to the server itself, or to a pooler in session mode"
                )
                raise OutboxTableError(message)
        return [WaitingRow(id=row[0], event_id=row[1], attempts=row[2], data=row[3]) for row in found]

    def delete(self, ids: Sequence[int]) -> None:
        """Delete rows."""
        with self._leading() as connection:
            connection.execute(sql.SQL("DELETE FROM {} WHERE id = ANY(%s)").format(self._table), (list(ids),))

    def hold(self, reasons: Mapping[int, str]) -> None:
        """Have rows passed over."""
        statement = sql.SQL("UPDATE {} SET held = %s WHERE id = %s").format(self._table)
        with self._leading() as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(statement, [(reason[:MAX_REASON], row) for row, reason in reasons.items()])

    def count_failures(self, ids: Sequence[int]) -> None:
        """Count failed deliveries."""
        statement = sql.SQL("UPDATE {} SET attempts = attempts + 1 WHERE id = ANY(%s)").format(self._table)
        with self._leading() as connection:
            connection.execute(statement, (list(ids),))

    def backlog(self) -> Backlog:
        """Count waiting and held rows."""
        self.connect()
        statement = sql.SQL(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM {0} WHERE held IS NULL LIMIT %(bound)s) AS waiting), "
            "(SELECT count(*) FROM (SELECT 1 FROM {0} WHERE held IS NOT NULL LIMIT %(bound)s) AS held), "
            "(SELECT created_ms FROM {0} WHERE held IS NULL ORDER BY id LIMIT 1)"
        ).format(self._table)
        with self._translated() as connection:
            row = connection.execute(statement, {"bound": COUNTED_ROWS}).fetchone()
        waiting, held, oldest = row or (0, 0, None)
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1_000)
        return Backlog(waiting=waiting, held=held, oldest_age_seconds=age)

    def held(self, limit: int) -> list[HeldRow]:
        """Return the first held rows."""
        self.connect()
        statement = sql.SQL(
            "SELECT id, event_id, created_ms, held FROM {} WHERE held IS NOT NULL ORDER BY id LIMIT %s"
        ).format(self._table)
        with self._translated() as connection:
            found = connection.execute(statement, (limit,)).fetchall()
        return [HeldRow(id=row[0], event_id=row[1], created_ms=row[2], reason=row[3]) for row in found]

    def release_held(self) -> int:
        """Have held rows relayed again."""
        self.connect()
        statement = sql.SQL("UPDATE {} SET held = NULL, attempts = 0 WHERE held IS NOT NULL").format(self._table)
        with self._translated() as connection:
            return connection.execute(statement).rowcount

    def close(self) -> None:
        """Close the connection, and with it the lock."""
        connection, self._connection, self._leading_pid = self._connection, None, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()

    def abandon(self) -> None:
        """Forget the parent's connection."""
        _inherited.append(self._connection)
        self._connection = self._leading_pid = None

    @contextmanager
    def _leading(self) -> Iterator[psycopg.Connection[Any]]:
        if self._leading_pid is None:
            message = "this relay is not the leader of its table"
            raise OutboxError(message)
        with self._translated() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[psycopg.Connection[Any]]:
        """Translate errors; after one that may have cost the session, the connection and its lock are given up."""
        try:
            yield self._connection  # type: ignore[misc]  # the first use creates it
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as exc:
            self.close()
            message = f"the database has no table {self._name}; create it with:\n{create_table_sql('postgresql', table=self._bare())}"
            raise OutboxTableError(message) from exc
        except psycopg.errors.UndefinedColumn as exc:
            self.close()
            message = f"the table {self._name} has other columns than an outbox of this version: {', '.join(COLUMNS)}"
            raise OutboxTableError(message) from exc
        except psycopg.errors.InsufficientPrivilege as exc:
            self.close()
            message = f"the relay's user may not use {self._name}; it needs SELECT, UPDATE and DELETE on it"
            raise OutboxTableError(message) from exc
        except psycopg.Error as exc:
            self.close()
            # The message of the server may quote a row, and that of libpq the name of the user.
            state = f"SQLSTATE {exc.sqlstate}" if exc.sqlstate else type(exc).__name__
            message = f"PostgreSQL did not do what the relay asked ({state}); the rows stay where they are"
            raise OutboxError(message) from exc

    def _bare(self) -> str:
        return self._name.replace('"', "")


def connection_parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a framework's connection options that libpq knows, such as ``sslmode`` and ``service``."""
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}
    return {name: value for name, value in options.items() if name in known}


def _parsed(conninfo: str) -> dict[str, Any]:
    remedy = "write postgresql://user@host/name, with special characters percent-encoded"
    problem = Problem("database", "is no connection string of PostgreSQL", remedy)
    # Of a password with an @ libpq takes the rest for the host, whose name is in its messages.
    if "://" in conninfo and conninfo.partition("?")[0].count("@") > 1:
        raise ConfigurationError(problem)
    try:
        return dict(conninfo_to_dict(conninfo))
    except psycopg.Error:
        # libpq quotes what it does not understand, which may be the password.
        raise ConfigurationError(problem) from None

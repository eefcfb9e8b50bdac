"""Reads and deletes the outbox of a SQLite database, as the leader of its relays."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from telemetry.exceptions import OutboxError, OutboxTableError
from telemetry.outbox.database import COUNTED_ROWS, MAX_BATCH_BYTES, MAX_ROW_BYTES, OutboxDatabase
from telemetry.outbox.rows import Backlog, HeldRow, WaitingRow
from telemetry.outbox.schema import COLUMNS, DEFAULT_TABLE, MAX_REASON, create_table_sql, quoted
from telemetry.storage.local_lock import FileLock

_BUSY_SECONDS = 5.0
"""How long a statement waits for the writer of another transaction before the relay tries again later."""

_inherited: list[object] = []
"""Connections that a parent process opened: closing one here could disturb the parent."""


class SqliteOutbox(OutboxDatabase):
    """The outbox in a SQLite file on a local disk.

    The leader's lock is a record lock on the file ``NAME-TABLE.relay`` beside the database: the kernel frees it with the
    process.

    Args:
        path: The database file; it must exist.
        table: Name of the table.
    """

    def __init__(self, path: str | Path, *, table: str = DEFAULT_TABLE) -> None:
        self._path = Path(path)
        self._table = quoted(table)
        self._lock = FileLock(self._path.with_name(f"{self._path.name}-{table}.relay"), owner="telemetry relay")
        self._connection: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"SqliteOutbox(table={self._table})"

    def connect(self) -> None:
        """Open the file if need be, and check the table."""
        if self._connection is not None:
            return
        with self._translated():
            # A file that does not exist is a wrong path, and is not created.
            address = f"file:{quote(str(self._path.absolute()))}?mode=rw"
            self._connection = sqlite3.connect(
                address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.execute(f"SELECT {', '.join(COLUMNS)} FROM {self._table} LIMIT 0")  # noqa: S608 - checked by quoted()

    def acquire(self) -> bool:
        """Try to lock the file of the leader."""
        self.connect()
        if self._lock.is_held:
            return True
        try:
            return self._lock.acquire()
        except OSError as exc:
            message = f"the lock file of the relay cannot be used: {exc.strerror}"
            raise OutboxError(message) from exc

    def read(self, limit: int) -> list[WaitingRow]:
        """Return the first rows that are not held."""
        statement = (
            "SELECT id, event_id, attempts, CASE WHEN length(data) <= :row THEN data END "  # noqa: S608 - checked by quoted()
            "FROM (SELECT *, sum(length(data)) OVER (ORDER BY id) - length(data) AS before FROM "
            f"(SELECT id, event_id, attempts, data FROM {self._table} WHERE held IS NULL ORDER BY id LIMIT :limit)) "
            "WHERE before < :batch ORDER BY id"
        )
        values = {"row": MAX_ROW_BYTES, "limit": limit, "batch": MAX_BATCH_BYTES}
        with self._leading() as connection:
            found = connection.execute(statement, values).fetchall()
        return [WaitingRow(id=row[0], event_id=str(row[1]), attempts=row[2], data=_bytes(row[3])) for row in found]

    def delete(self, ids: Sequence[int]) -> None:
        """Delete rows."""
        self._change(f"DELETE FROM {self._table} WHERE id = ?", [(row,) for row in ids])  # noqa: S608 - checked by quoted()

    def hold(self, reasons: Mapping[int, str]) -> None:
        """Have rows passed over."""
        values = [(reason[:MAX_REASON], row) for row, reason in reasons.items()]
        self._change(f"UPDATE {self._table} SET held = ? WHERE id = ?", values)  # noqa: S608 - checked by quoted()

    def count_failures(self, ids: Sequence[int]) -> None:
        """Count failed deliveries."""
        self._change(f"UPDATE {self._table} SET attempts = attempts + 1 WHERE id = ?", [(row,) for row in ids])  # noqa: S608

    def backlog(self) -> Backlog:
        """Count waiting and held rows."""
        self.connect()
        count = f"(SELECT count(*) FROM (SELECT 1 FROM {self._table} WHERE held IS %s LIMIT :bound))"  # noqa: S608
        first = f"(SELECT created_ms FROM {self._table} WHERE held IS NULL ORDER BY id LIMIT 1)"  # noqa: S608
        with self._translated() as connection:
            waiting, held, oldest = connection.execute(
                f"SELECT {count % 'NULL'}, {count % 'NOT NULL'}, {first}", {"bound": COUNTED_ROWS}
            ).fetchone()
        age = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1_000)
        return Backlog(waiting=waiting, held=held, oldest_age_seconds=age)

    def held(self, limit: int) -> list[HeldRow]:
        """Return the first held rows."""
        self.connect()
        statement = (
            f"SELECT id, event_id, created_ms, held FROM {self._table} WHERE held IS NOT NULL ORDER BY id LIMIT ?"  # noqa: S608
        )
        with self._translated() as connection:
            found = connection.execute(statement, (limit,)).fetchall()
        return [HeldRow(id=row[0], event_id=str(row[1]), created_ms=row[2], reason=str(row[3])) for row in found]

    def release_held(self) -> int:
        """Have held rows relayed again."""
        self.connect()
        with self._translated() as connection:
            statement = f"UPDATE {self._table} SET held = NULL, attempts = 0 WHERE held IS NOT NULL"  # noqa: S608
            return connection.execute(statement).rowcount

    def close(self) -> None:
        """Close the file and free the lock."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
        self._lock.release()

    def abandon(self) -> None:
        """Forget the parent's connection."""
        _inherited.append(self._connection)
        self._connection = None

    def _change(self, statement: str, values: Sequence[tuple[object, ...]]) -> None:
        with self._leading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.executemany(statement, values)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _leading(self) -> Iterator[sqlite3.Connection]:
        # Somebody may have deleted or replaced the lock file; another relay would then lock the new one.
        if not self._lock.is_held:
            message = "this relay is not the leader of its table"
            raise OutboxError(message)
        with self._translated() as connection:
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection  # type: ignore[misc]  # the first use creates it
        except sqlite3.Error as exc:
            self.close()
            if "no such table" in str(exc):
                message = f"the database has no table {self._table}; create it with:\n{create_table_sql('sqlite', table=self._bare())}"
                raise OutboxTableError(message) from exc
            if "no such column" in str(exc):
                message = (
                    f"the table {self._table} has other columns than an outbox of this version: {', '.join(COLUMNS)}"
                )
                raise OutboxTableError(message) from exc
            message = f"SQLite did not do what the relay asked ({getattr(exc, 'sqlite_errorname', type(exc).__name__)}); the rows stay where they are"
            raise OutboxError(message) from exc

    def _bare(self) -> str:
        return self._table.replace('"', "")


def _bytes(value: object) -> bytes | None:
    # SQLite keeps a text in a column of bytes if a program writes one.
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else None

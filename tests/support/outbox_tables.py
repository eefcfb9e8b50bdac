"""Creates outbox tables in real databases, and writes and looks at their rows without the library."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from telemetry.outbox import OutboxDatabase, create_table_sql, open_database
from tests.services.postgres import PostgresServer


@dataclass(frozen=True)
class Row:
    """What a writer needs of a sealed event."""

    event_id: str
    data: bytes


def row(number: int, *, size: int = 10) -> Row:
    """Return a row of a number."""
    return Row(event_id=f"00000000-0000-7000-8000-{number:012}", data=b"%d" % number + b"x" * size)


class OutboxSite:
    """A database with an empty outbox.

    Args:
        url: Its URL.
        is_created: Whether another program creates the table.
    """

    def __init__(self, url: str, *, is_created: bool = False) -> None:
        self.url = url
        if is_created:
            return
        with self.connection() as connection:
            connection.execute(create_table_sql("sqlite" if self.is_sqlite else "postgresql"))

    @classmethod
    def in_postgres(cls, server: PostgresServer) -> OutboxSite:
        """Create it in a new database of a server."""
        return cls(server.new_database())

    @classmethod
    def in_sqlite(cls, folder: Path) -> OutboxSite:
        """Create it in a new file."""
        file = folder / "shop.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        return cls(f"sqlite:///{file}")

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.url.startswith("sqlite")

    def connect(self) -> Any:
        """Return a connection that begins a transaction with its first statement."""
        if self.is_sqlite:
            return sqlite3.connect(self.url.removeprefix("sqlite:///"))
        return psycopg.connect(self.url)

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Open a connection, commit at the end, and close it."""
        with closing(self.connect()) as connection:
            yield connection
            connection.commit()

    def insert(self, *rows: Row) -> None:
        """Write rows in one transaction."""
        with self.connection() as connection:
            for one in rows:
                insert(connection, one)

    def ids(self) -> list[str]:
        """Return the event ids in the table."""
        return [str(row[0]) for row in self.query("SELECT event_id FROM telemetry_outbox ORDER BY id")]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the result of a statement."""
        with self.connection() as connection:
            found: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
        return found

    def end_session_of_leader(self) -> None:
        """Have PostgreSQL end the session that has the advisory lock."""
        self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )

    def open(self) -> OutboxDatabase:
        """Return the outbox as a relay sees it."""
        return open_database(self.url)


def insert(connection: Any, one: Row) -> None:
    """Write a row into the transaction of a connection."""
    mark = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    connection.execute(
        f"INSERT INTO telemetry_outbox (event_id, created_ms, data) VALUES ({mark}, 1, {mark})",  # noqa: S608
        (one.event_id, one.data),
    )

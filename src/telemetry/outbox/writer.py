"""Writes sealed events into the outbox, in the transaction of a DB-API connection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from telemetry.context import FROM_CONTEXT
from telemetry.outbox.schema import DEFAULT_TABLE, quoted
from telemetry.outbox.transactions import driver_of, require_transaction

if TYPE_CHECKING:
    from telemetry.client import Telemetry

_COLUMNS = "(event_id, created_ms, data, attempts)"


class Sealed(Protocol):
    """A sealed event; ``telemetry.types.SealedEvent`` is one."""

    @property
    def event_id(self) -> str:
        """UUIDv7 of the event."""

    @property
    def data(self) -> bytes:
        """What the row keeps."""


class Sealer:
    """Seals events with the ``Telemetry`` that the application gave, or the one that is started.

    Args:
        telemetry: The application's; None for the one that is started when an event is logged.
    """

    def __init__(self, telemetry: Telemetry | None) -> None:
        self._telemetry = telemetry

    @property
    def audit(self) -> Any:
        """The service that seals."""
        if self._telemetry is not None:
            return self._telemetry.audit
        from telemetry.current import current_telemetry  # noqa: PLC0415 - only where none was given

        return current_telemetry().audit

    def seal(self, event_type: str, payload: Any, user_id: Any, fields: dict[str, Any]) -> Sealed:
        """Seal an event; arguments and errors as ``telemetry.audit.seal()``."""
        sealed: Sealed = self.audit.seal(event_type, payload, user_id, **fields)
        return sealed


class Outbox:
    """Logs events into the same transaction as the data: they exist if, and only if, the transaction is committed.

    A relay sends them afterwards. Connections of psycopg and sqlite3 are supported, and their cursors.

    Args:
        telemetry: A started ``Telemetry``; default: the one that is started in this process.
        table: Name of the table, with its schema if it has one.
    """

    def __init__(self, telemetry: Telemetry | None = None, *, table: str = DEFAULT_TABLE) -> None:
        self._sealer = Sealer(telemetry)
        self._table = quoted(table)

    def log(self, connection: Any, event_type: str, payload: Any, user_id: Any = FROM_CONTEXT, **fields: Any) -> str:
        """Seal an event and write it into the transaction of a connection.

        Args:
            connection: The connection of the transaction, or a cursor of it.
            event_type: As for ``telemetry.audit.log()``.
            payload: As there.
            user_id: As there.
            **fields: As there.

        Returns:
            The event's id.

        Raises:
            NoTransactionError: The connection commits each statement, and no transaction is open; nothing was written.
            EventError: The call is wrong; nothing was written.
            EncryptionError: No data key could be obtained; nothing was written.
        """
        connection = _connection_of(connection)
        driver_of(connection)
        require_transaction(connection)
        sealed = self._sealer.seal(event_type, payload, user_id, fields)
        self._insert(connection, sealed)
        return sealed.event_id

    def add(self, connection: Any, sealed: Sealed) -> None:
        """Write an event that ``telemetry.audit.seal()`` has sealed.

        Args:
            connection: The connection of the transaction, or a cursor of it.
            sealed: The event.

        Raises:
            NoTransactionError: The connection commits each statement, and no transaction is open; nothing was written.
        """
        connection = _connection_of(connection)
        require_transaction(connection)
        self._insert(connection, sealed)

    def _insert(self, connection: Any, sealed: Sealed) -> None:
        driver = driver_of(connection)
        mark = "?" if driver == "sqlite3" else "%s"
        statement = f"INSERT INTO {self._table} {_COLUMNS} VALUES ({', '.join([mark] * 4)})"  # noqa: S608 - checked by quoted()
        cursor = connection.cursor() if driver != "psycopg" else _plain_cursor(connection)
        try:
            cursor.execute(statement, row_of(sealed))
        finally:
            cursor.close()


class AsyncOutbox:
    """The outbox of asyncio applications with psycopg's ``AsyncConnection``; arguments and errors as :class:`Outbox`.

    Args:
        telemetry: A started ``Telemetry``; default: the one that is started in this process.
        table: Name of the table, with its schema if it has one.
    """

    def __init__(self, telemetry: Telemetry | None = None, *, table: str = DEFAULT_TABLE) -> None:
        self._sealer = Sealer(telemetry)
        self._table = quoted(table)

    async def log(
        self, connection: Any, event_type: str, payload: Any, user_id: Any = FROM_CONTEXT, **fields: Any
    ) -> str:
        """Seal an event and write it into the transaction of a connection; return the event's id."""
        connection = _connection_of(connection)
        require_transaction(connection)
        await self._sealer.audit.key_ready(user_id)
        sealed = self._sealer.seal(event_type, payload, user_id, fields)
        await self.add(connection, sealed)
        return sealed.event_id

    async def add(self, connection: Any, sealed: Sealed) -> None:
        """Write a sealed event into the transaction of a connection."""
        from psycopg import AsyncCursor  # noqa: PLC0415 - the connection is one of its own

        connection = _connection_of(connection)
        require_transaction(connection)
        statement = f"INSERT INTO {self._table} {_COLUMNS} VALUES (%s, %s, %s, %s)"  # noqa: S608 - checked by quoted()
        async with AsyncCursor(connection) as cursor:
            await cursor.execute(statement.encode(), row_of(sealed))


def row_of(sealed: Sealed) -> tuple[str, int, bytes, int]:
    """Return what is written of a sealed event: id, time, content, no failed delivery."""
    return sealed.event_id, time.time_ns() // 1_000_000, sealed.data, 0


def _connection_of(given: Any) -> Any:
    # A connection of psycopg or sqlite3 has no attribute of this name, and every cursor has.
    return getattr(given, "connection", given)


def _plain_cursor(connection: Any) -> Any:
    from psycopg import Cursor  # noqa: PLC0415 - the connection is one of its own

    # Not the connection's own factory, which may be a cursor with other placeholders.
    return Cursor(connection)

"""Writes sealed events into the outbox, in the transaction of a SQLAlchemy session or connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from telemetry.context import FROM_CONTEXT
from telemetry.exceptions import ConfigurationError, MissingExtraError, Problem
from telemetry.outbox.schema import DEFAULT_TABLE
from telemetry.outbox.transactions import require_transaction
from telemetry.outbox.writer import Sealed, Sealer, row_of

try:
    from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table
    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session, scoped_session
except ImportError as exc:
    FEATURE = "an outbox in a SQLAlchemy session"
    raise MissingExtraError(FEATURE, "sqlalchemy") from exc

if TYPE_CHECKING:
    from telemetry.client import Telemetry

Target: TypeAlias = "Session | scoped_session[Any] | Connection"
"""What has a transaction."""


def outbox_table(metadata: MetaData, *, name: str = DEFAULT_TABLE, schema: str | None = None) -> Table:
    """Add the outbox to the tables of an application, so that ``create_all()`` and Alembic know it.

    Args:
        metadata: The application's, such as ``Base.metadata``.
        name: Name of the table.
        schema: Schema of the table.
    """
    return Table(
        name,
        metadata,
        # SQLite numbers rows itself only in a column of this very type.
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("event_id", String(36), nullable=False),
        Column("created_ms", BigInteger, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column("attempts", Integer, nullable=False, server_default="0"),
        Column("held", String(200)),
        schema=schema,
        sqlite_autoincrement=True,
    )


class SqlAlchemyOutbox:
    """Logs events into the transaction of a session: they exist if, and only if, it is committed.

    Args:
        telemetry: A started ``Telemetry``; default: the one that is started in this process.
        table: What :func:`outbox_table` returned; default: a table of the default name.
    """

    def __init__(self, telemetry: Telemetry | None = None, *, table: Table | None = None) -> None:
        self._sealer = Sealer(telemetry)
        self._table = outbox_table(MetaData()) if table is None else table

    def log(self, session: Target, event_type: str, payload: Any, user_id: Any = FROM_CONTEXT, **fields: Any) -> str:
        """Seal an event and write it into the transaction of a session.

        Args:
            session: A ``Session`` or a ``Connection``.
            event_type: As for ``telemetry.audit.log()``.
            payload: As there.
            user_id: As there.
            **fields: As there.

        Returns:
            The event's id.

        Raises:
            NoTransactionError: The connection commits each statement; nothing was written.
            EventError: The call is wrong; nothing was written.
            EncryptionError: No data key could be obtained; nothing was written.
        """
        connection = _transaction(session)
        sealed = self._sealer.seal(event_type, payload, user_id, fields)
        self._insert(connection, sealed)
        return sealed.event_id

    def add(self, session: Target, sealed: Sealed) -> None:
        """Write an event that ``telemetry.audit.seal()`` has sealed; errors as :meth:`log`."""
        self._insert(_transaction(session), sealed)

    async def alog(
        self,
        session: AsyncSession | AsyncConnection,
        event_type: str,
        payload: Any,
        user_id: Any = FROM_CONTEXT,
        **fields: Any,
    ) -> str:
        """Seal an event and write it into the transaction of an ``AsyncSession`` or ``AsyncConnection``; as :meth:`log`."""
        await self._sealer.audit.key_ready(user_id)
        sealed = self._sealer.seal(event_type, payload, user_id, fields)
        await self.aadd(session, sealed)
        return sealed.event_id

    async def aadd(self, session: AsyncSession | AsyncConnection, sealed: Sealed) -> None:
        """Write a sealed event into the transaction of an ``AsyncSession`` or ``AsyncConnection``; errors as :meth:`log`."""
        await session.run_sync(lambda inner: self.add(inner, sealed))

    def _insert(self, connection: Connection, sealed: Sealed) -> None:
        names = ("event_id", "created_ms", "data", "attempts")
        # At once, and not with the session's next flush: the rows are in the order of the calls.
        connection.execute(self._table.insert().values(dict(zip(names, row_of(sealed), strict=True))))


def _transaction(target: Target) -> Connection:
    if isinstance(target, Connection):
        connection = target
    elif isinstance(target, Session | scoped_session):
        connection = target.connection()
    else:
        remedy = "give a Session or a Connection; alog() and aadd() take those of asyncio"
        reason = f"is a {type(target).__qualname__}, which is not supported"
        raise ConfigurationError(Problem("session", reason, remedy))
    # The driver's own begin, if the application has arranged for one, comes before the check.
    if not connection.in_transaction():
        connection.begin()
    require_transaction(connection.connection.dbapi_connection)
    return connection

"""Writes sealed events into the transaction of a Django connection, and opens that database for the relay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections

from telemetry.context import FROM_CONTEXT
from telemetry.exceptions import ConfigurationError, NoTransactionError, Problem
from telemetry.outbox.schema import DEFAULT_TABLE
from telemetry.outbox.writer import Sealed, Sealer, row_of

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.outbox import OutboxDatabase

_LIBPQ = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
_COLUMNS = ("event_id", "created_ms", "data", "attempts")


class DjangoOutbox:
    """Logs events into the present transaction of Django: they exist if, and only if, it is committed.

    Args:
        telemetry: A started ``Telemetry``; default: the one that is started in this process.
        using: Alias of the database.
    """

    def __init__(self, telemetry: Telemetry | None = None, *, using: str = "default") -> None:
        self._sealer = Sealer(telemetry)
        self._using = using

    def log(self, event_type: str, payload: Any, user_id: Any = FROM_CONTEXT, **fields: Any) -> str:
        """Seal an event and write it into the present transaction.

        Args:
            event_type: As for ``telemetry.audit.log()``.
            payload: As there.
            user_id: As there.
            **fields: As there.

        Returns:
            The event's id.

        Raises:
            NoTransactionError: No transaction is open; nothing was written.
            EventError: The call is wrong; nothing was written.
            EncryptionError: No data key could be obtained; nothing was written.
        """
        self._require_transaction()
        sealed = self._sealer.seal(event_type, payload, user_id, fields)
        self.add(sealed)
        return sealed.event_id

    def add(self, sealed: Sealed) -> None:
        """Write an event that ``telemetry.audit.seal()`` has sealed; errors as :meth:`log`."""
        self._require_transaction()
        connection = connections[self._using]
        names = ", ".join(map(connection.ops.quote_name, _COLUMNS))
        table = connection.ops.quote_name(DEFAULT_TABLE)
        # Not through the model: signals and audited managers of the project have nothing to do with this row.
        with connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({names}) VALUES (%s, %s, %s, %s)", row_of(sealed))  # noqa: S608 - fixed names

    def _require_transaction(self) -> None:
        connection = connections[self._using]
        if connection.in_atomic_block or not connection.get_autocommit():
            return
        message = (
            f"the database {self._using!r} commits each statement, so the event would be there even if your change is not; "
            "put both into `with transaction.atomic():`, or set ATOMIC_REQUESTS"
        )
        raise NoTransactionError(message)


def outbox_database(using: str = "default") -> OutboxDatabase:
    """Return the outbox of a database of the project, for ``OutboxRelay``; it opens a connection of its own.

    Args:
        using: Alias of the database.

    Raises:
        ConfigurationError: The database is neither PostgreSQL nor SQLite.
    """
    connection = connections[using]
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        from telemetry.outbox.sqlite import SqliteOutbox  # noqa: PLC0415 - a project needs one of the two

        return SqliteOutbox(str(settings["NAME"]))
    if connection.vendor == "postgresql":
        from telemetry.outbox.postgres import PostgresOutbox, connection_parameters  # noqa: PLC0415 - as above

        given = {parameter: settings.get(name) for name, parameter in _LIBPQ.items()}
        wanted = {name: value for name, value in given.items() if value not in (None, "")}
        return PostgresOutbox(parameters={**connection_parameters(settings.get("OPTIONS") or {}), **wanted})
    remedy = "the relay reads PostgreSQL and SQLite"
    raise ConfigurationError(Problem(f"DATABASES[{using!r}]", f"is {connection.vendor}", remedy))

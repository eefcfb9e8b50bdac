"""Chooses the database of a URL."""

from __future__ import annotations

import re
from urllib.parse import unquote

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.outbox.database import OutboxDatabase
from telemetry.outbox.schema import DEFAULT_TABLE

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>.+)")
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://(?P<rest>.*)", re.DOTALL)


def open_database(url: str, *, table: str = DEFAULT_TABLE) -> OutboxDatabase:
    """Return the outbox of a database, not yet connected.

    Args:
        url: ``postgresql://user@host/name`` as libpq reads it, or ``sqlite:///folder/file.db``; ``sqlite:////`` begins an
            absolute path. The name of a SQLAlchemy driver, as in ``postgresql+psycopg://``, is ignored.
        table: Name of the table, with its schema if it has one.

    Raises:
        ConfigurationError: The URL names no supported database; the message never repeats it.
        MissingExtraError: The driver is not installed.
    """
    sqlite = _SQLITE.fullmatch(url)
    if sqlite:
        from telemetry.outbox.sqlite import SqliteOutbox  # noqa: PLC0415 - a program needs one of the two

        return SqliteOutbox(unquote(sqlite["path"]), table=table)
    postgresql = _POSTGRESQL.fullmatch(url)
    if postgresql:
        from telemetry.outbox.postgres import PostgresOutbox  # noqa: PLC0415 - a program needs one of the two

        return PostgresOutbox(f"postgresql://{postgresql['rest']}", table=table)
    remedy = "give postgresql://user@host/name or sqlite:///folder/file.db"
    raise ConfigurationError(Problem("database", "is no URL of a supported database", remedy))

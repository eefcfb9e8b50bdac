"""Tells whether a statement on a database connection becomes part of a transaction that the application ends."""

from __future__ import annotations

import sqlite3
import sys
from typing import Any, Literal

from telemetry.exceptions import ConfigurationError, NoTransactionError, Problem

Driver = Literal["sqlite3", "psycopg"]


def driver_of(connection: Any) -> Driver:
    """Return the driver of a DB-API connection.

    Raises:
        ConfigurationError: It is of another driver, or no connection.
    """
    if isinstance(connection, sqlite3.Connection):
        return "sqlite3"
    # A driver that is not imported has no connections.
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(connection, psycopg.Connection):
        return "psycopg"
    remedy = "give a connection of psycopg or sqlite3; telemetry.outbox.sqlalchemy has an outbox for sessions"
    raise ConfigurationError(
        Problem("connection", f"is a {type(connection).__qualname__}, which is not supported", remedy)
    )


def require_transaction(connection: Any) -> None:
    """Check that the next statement is part of a transaction: one that is open, or one that the driver begins for it.

    Args:
        connection: A DB-API connection, or SQLAlchemy's adapter of one.

    Raises:
        NoTransactionError: The connection commits each statement, and no transaction is open.
    """
    if not commits_each_statement(connection):
        return
    message = (
        "the connection commits each statement, so the event would be there even if your change is not; begin a "
        "transaction first: connection.transaction() with psycopg, BEGIN with sqlite3, engine.begin() with SQLAlchemy"
    )
    raise NoTransactionError(message)


def commits_each_statement(connection: Any) -> bool:
    """Return whether a statement on this connection would be committed at once."""
    if getattr(connection, "in_transaction", None) is True:
        return False
    info = getattr(connection, "info", None)
    # libpq: 0 is idle, everything else means that a transaction is open, or in error and about to say so.
    if getattr(info, "transaction_status", 0):
        return False
    autocommit = getattr(connection, "autocommit", None)
    if isinstance(autocommit, bool):
        return autocommit
    # The older control of sqlite3: with a level, the driver begins a transaction before it changes anything.
    return getattr(connection, "isolation_level", "") is None

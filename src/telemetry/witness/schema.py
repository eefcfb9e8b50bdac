"""Creates the tables of a witness's state, and brings a state of an earlier version to the present one."""

from __future__ import annotations

import sqlite3

from telemetry.exceptions import FormatError
from telemetry.format.roster.entries import StreamEntry, parse_entry

_APPLICATION_ID = 0x746C7774
_VERSION = 2
_VERSION_OF_PRODUCERS = 1
"""Streams and roots were kept by producer alone."""

# A stream is a producer under one source (docs/adr/0023-a-stream-has-one-source.md).
_STREAMS = (
    "CREATE TABLE stream (producer TEXT, source TEXT, entry TEXT NOT NULL, PRIMARY KEY (producer, source)) WITHOUT ROWID",
    (
        "CREATE TABLE root (producer TEXT, source TEXT, size INTEGER, root BLOB NOT NULL, "
        "PRIMARY KEY (producer, source, size)) WITHOUT ROWID"
    ),
)
_SCHEMA = (
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE log (only INTEGER PRIMARY KEY CHECK (only = 0), tree BLOB NOT NULL, time TEXT NOT NULL)",
    *_STREAMS,
    "CREATE TABLE position (partition INTEGER PRIMARY KEY, low INTEGER, next INTEGER, last INTEGER, digest BLOB)",
    "CREATE TABLE binding (key TEXT PRIMARY KEY, source TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE pending (start INTEGER PRIMARY KEY, document BLOB NOT NULL)",
    "INSERT INTO log VALUES (0, x'0000000000000000', '')",
)


def create_schema(connection: sqlite3.Connection) -> None:
    """Create the tables of an empty state.

    Args:
        connection: The new file, inside a transaction.
    """
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def upgrade_schema(connection: sqlite3.Connection) -> bool:
    """Bring a state of an earlier version to the present one; return False, and change nothing, if it is no state.

    Args:
        connection: The file, inside a transaction: a witness that is killed meanwhile leaves the former version.

    Raises:
        FormatError: A row of the state cannot be read.
        sqlite3.Error: The file cannot be read or written, or lacks a table.
    """
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if application != _APPLICATION_ID:
        return False
    if version == _VERSION_OF_PRODUCERS:
        _name_sources(connection)
        return True
    return bool(version == _VERSION)


def _name_sources(connection: sqlite3.Connection) -> None:
    """Keep streams and roots by source too.

    A producer had one source, which its leaf names. Roots without a leaf were signed for a source that no roster can
    carry: they are left out, as they are from a state that is rebuilt.
    """
    for table in ("stream", "root"):
        connection.execute(f"ALTER TABLE {table} RENAME TO former_{table}")
    for statement in _STREAMS:
        connection.execute(statement)
    rows = connection.execute("SELECT producer, entry FROM former_stream")
    connection.executemany(
        "INSERT INTO stream VALUES (?, ?, ?)", ((producer, _source_of(text), text) for producer, text in rows)
    )
    connection.execute(
        "INSERT INTO root SELECT producer, source, size, root FROM former_root JOIN stream USING (producer)"
    )
    for table in ("stream", "root"):
        connection.execute(f"DROP TABLE former_{table}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _source_of(text: str) -> str:
    entry = parse_entry(text)
    if not isinstance(entry, StreamEntry):
        message = "a row of the state names no stream"
        raise FormatError(message)
    return entry.source

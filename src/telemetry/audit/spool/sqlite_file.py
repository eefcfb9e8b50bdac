"""Opens a spool file so that a commit is one synchronisation and the process alone has it."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def connect(path: Path, *, patience: float) -> sqlite3.Connection:
    """Return a connection that holds the file from its first transaction on; ``patience`` is in seconds."""
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        # Exclusive locking keeps the lock for as long as the process lives, and needs no shared-memory file.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA page_size = 32768")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 128")
        connection.execute("PRAGMA trusted_schema = OFF")
        # Some builds of SQLite write zeros over what is deleted, which is as much as was written before. What is deleted
        # here is sealed, and on the topic as it stands.
        connection.execute("PRAGMA secure_delete = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection

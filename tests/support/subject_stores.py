"""Creates subject stores in real databases, and looks at their bytes without the library."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from telemetry.config import EncryptionConfig, SubjectKeysConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.providers import local_key
from telemetry.encryption.subjects.keyring import SubjectKeyring
from telemetry.encryption.subjects.opening import SubjectKeys
from telemetry.encryption.subjects.store.opening import open_store
from telemetry.encryption.subjects.store.schema import create_tables_sql
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from tests.services.postgres import PostgresServer

SOURCE = "/production/shop"


@dataclass(frozen=True)
class SubjectSite:
    """A subject store without subjects.

    Attributes:
        url: Its URL.
        server: The server, where it is in PostgreSQL.
        file: The file, where it is in SQLite.
    """

    url: str
    server: PostgresServer | None = None
    file: Path | None = None

    @classmethod
    def in_sqlite(cls, folder: Path) -> SubjectSite:
        """Create it in a new file."""
        file = folder / "subjects.db"
        site = cls(f"sqlite:///{file}", file=file)
        with site.open() as store:
            store.check()
        return site

    @classmethod
    def in_postgres(cls, server: PostgresServer) -> SubjectSite:
        """Create it in a new database of a server."""
        site = cls(server.new_database(), server=server)
        with psycopg.connect(site.url, autocommit=True) as connection:
            connection.execute(create_tables_sql("postgresql").encode())
        return site

    @property
    def config(self) -> SubjectKeysConfig:
        """The section that names it."""
        return SubjectKeysConfig(store=SecretStr(self.url))

    def open(self) -> SubjectStore:
        """Return the store, not connected."""
        return open_store(self.config, creates=True)

    def execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement without the library, with ``?`` for each value."""
        if self.file is not None:
            with closing(sqlite3.connect(self.file, isolation_level=None)) as connection:
                return connection.execute(statement, values).fetchall()
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

    def keyring(self, provider: EncryptionProvider, *, lease_seconds: float = 300.0) -> SubjectKeyring:
        """Return a keyring on a connection of its own."""
        store = self.open()
        return SubjectKeyring(store, StoreKeys(store, provider), lease_seconds=lease_seconds, cached_keys=1_000)

    def reader(self, provider: EncryptionProvider) -> SubjectKeys:
        """Return a reader on a connection of its own."""
        store = self.open()
        return SubjectKeys(store, StoreKeys(store, provider))


def local_provider(folder: Path) -> EncryptionProvider:
    """Return a key service whose KEK is in a file of the folder."""
    passphrase = SecretStr("a passphrase of a test")
    path = folder / "audit.key"
    if not path.exists():
        local_key.create(path, passphrase.get_secret_value())
    return EncryptionProviderFactory.create(
        EncryptionConfig(provider="local_key", key_path=path, passphrase=passphrase)
    )

"""What is left of a destroyed key in the files of the databases."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import psycopg
from psycopg import sql

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.subjects.store.postgres import PostgresSubjectStore
from telemetry.encryption.subjects.store.rows import SubjectRow
from telemetry.encryption.subjects.store.store import SubjectStore
from tests.services.postgres import PostgresServer
from tests.support.subject_stores import SOURCE, SubjectSite

_OTHERS = 300


def _bytes_of(site: SubjectSite) -> bytes:
    """Return everything that the database has of the tables on its disk, but for the server's write-ahead log."""
    if site.file is not None:
        files = [path for path in site.file.parent.iterdir() if path.name.startswith(site.file.name)]
        return b"".join(path.read_bytes() for path in files)
    with psycopg.connect(site.url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        ((folder,),) = connection.execute("SELECT 'base/' || oid FROM pg_database WHERE datname = current_database()")
        names = connection.execute("SELECT pg_ls_dir(%s)", (folder,)).fetchall()
        found = [
            connection.execute("SELECT pg_read_binary_file(%s, true)", (f"{folder}/{name}",)).fetchone()
            for (name,) in names
        ]
    return b"".join(row[0] for row in found if row is not None and row[0] is not None)


def _one_of_many(site: SubjectSite, store: SubjectStore, provider: EncryptionProvider) -> SubjectRow:
    """Give many subjects a key and return the row of one of them, in the middle."""
    with closing(site.keyring(provider)) as keyring:
        keyring.of(SOURCE).request([f"user-{number}" for number in range(_OTHERS)]).result(60)
        key = keyring.of(SOURCE).take(f"user-{_OTHERS // 2}")
        assert key is not None
    (row,) = store.of_keys([key.key_id])
    return row


def test_nothing_of_a_destroyed_key_is_on_the_disk(
    site: SubjectSite, store: SubjectStore, provider: EncryptionProvider
) -> None:
    row = _one_of_many(site, store, provider)
    assert row.sealed is not None
    assert row.lookup is not None
    assert row.sealed in _bytes_of(site)
    assert row.lookup in _bytes_of(site)

    store.begin_forgetting([row.key_id])
    assert store.destroy().destroyed == {row.key_id}
    residue = store.clean()

    left = _bytes_of(site)
    assert residue.is_clean
    assert row.sealed not in left
    assert row.sealed[16:48] not in left
    assert row.lookup not in left
    assert row.key_id.encode() in left
    assert store.counts().active == _OTHERS - 1


def test_reader_in_the_way_is_said(tmp_path: Path, provider: EncryptionProvider) -> None:
    site = SubjectSite.in_sqlite(tmp_path)
    with site.open() as store:
        row = _one_of_many(site, store, provider)
        with closing(sqlite3.connect(tmp_path / "subjects.db", isolation_level=None)) as reading:
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM telemetry_subject_keys").fetchone()
            store.begin_forgetting([row.key_id])
            store.destroy()
            blocked = store.clean()
        done = store.clean()

    assert not blocked.is_clean
    assert "run it again" in blocked.note
    assert done.is_clean


def test_other_owner_of_the_table_is_said(postgres: PostgresServer) -> None:
    site = SubjectSite.in_postgres(postgres)
    role = f"writer_{uuid.uuid4().hex}"
    with psycopg.connect(site.url, autocommit=True) as connection:
        name = sql.Identifier(role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}"
        connection.execute(sql.SQL(grant).format(name))
    with PostgresSubjectStore(site.url.replace("postgres@", f"{role}@", 1)) as store:
        store.check()
        residue = store.clean()

    assert not residue.is_clean
    assert "belongs to another role" in residue.note

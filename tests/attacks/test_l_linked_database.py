from __future__ import annotations

import contextlib
import sqlite3
import zlib
from pathlib import Path

import pytest

from telemetry.exceptions import TelemetryError
from telemetry.sync import Telemetry
from tests.attacks.forge import SPOOL_TABLES, Writer, begin_as_a_segment, plant_identity, spool_pack
from tests.attacks.site import Site

_JOURNAL_VERSIONS = slice(18, 20)
"""Bytes of a database file that are 1 with a rollback journal and 2 in WAL mode (sqlite.org/fileformat2.html)."""


def application_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE customer (name TEXT)")


def write_customer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=0)) as connection, connection:
        connection.execute("INSERT INTO customer VALUES ('alice')")


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_linked_database_of_the_application_is_not_touched(site: Site, kind: str) -> None:
    spool, database = site.folder / "spool", site.folder / "application.db"
    spool.mkdir(mode=0o700)
    application_database(database)
    before = database.read_bytes()
    link = spool / "0198c0de-bbbb-7000-8000-000000000001.spool"
    if kind == "symbolic":
        link.symlink_to(database)
    else:
        link.hardlink_to(database)

    with contextlib.suppress(TelemetryError), Telemetry(site.config(spool_path=spool)) as telemetry:
        telemetry.audit.log("user_login", {}, "alice")
        write_customer(database)

    assert database.read_bytes()[_JOURNAL_VERSIONS] == before[_JOURNAL_VERSIONS]
    write_customer(database)
    assert not database.with_name("application.db-wal").exists()


def test_view_in_place_of_a_table_is_not_believed(site: Site) -> None:
    """A file of a few KiB that answers with as many records as it likes: it fills the topic, or never ends."""
    spool, forged = site.folder / "spool", Writer(66, is_sealed=False)
    spool.mkdir(mode=0o700)
    pack = spool_pack([forged.event("wire_transfer")], forged)
    planted = spool / f"{forged.producer}.spool"
    with contextlib.closing(sqlite3.connect(planted)) as connection, connection:
        begin_as_a_segment(connection)
        plant_identity(connection, forged)
        for table in SPOOL_TABLES:
            connection.execute(
                f"CREATE VIEW {table} AS WITH RECURSIVE n(first) AS (SELECT 0 UNION ALL SELECT first + 1 FROM n LIMIT 300)"  # noqa: S608 - constants
                f" SELECT first, x'{pack.hex()}' AS records, {zlib.crc32(pack)} AS crc FROM n"
            )
    planted.chmod(0o600)

    site.log(["user_login"], spool_path=spool)

    assert not [record for record in site.records() if b"wire_transfer" in (record.value or b"")]
    assert site.verify().report["proven"] == 1

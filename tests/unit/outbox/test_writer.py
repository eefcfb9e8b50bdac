from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

import telemetry as telemetry_async
from telemetry.context import audit_context
from telemetry.exceptions import ConfigurationError, EventError, LifecycleError, NoTransactionError
from telemetry.outbox import AsyncOutbox, Outbox
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, TelemetryConfig
from tests.services.postgres import PostgresServer
from tests.support.outbox_tables import OutboxSite, row


@pytest.fixture(params=["postgresql", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> OutboxSite:
    if request.param == "sqlite":
        return OutboxSite.in_sqlite(tmp_path)
    return OutboxSite.in_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def pg_site(postgres: PostgresServer) -> OutboxSite:
    return OutboxSite.in_postgres(postgres)


@pytest.fixture
def lite_site(tmp_path: Path) -> OutboxSite:
    return OutboxSite.in_sqlite(tmp_path)


def test_committed_event_is_in_the_table(site: OutboxSite) -> None:
    with closing(site.connect()) as connection:
        Outbox().add(connection, row(1))
        assert site.ids() == []
        connection.commit()

    assert site.query("SELECT event_id, attempts, held FROM telemetry_outbox") == [(row(1).event_id, 0, None)]
    assert bytes(site.query("SELECT data FROM telemetry_outbox")[0][0]) == row(1).data


def test_rolled_back_event_is_gone(site: OutboxSite) -> None:
    with closing(site.connect()) as connection:
        Outbox().add(connection, row(1))
        connection.rollback()

    assert site.ids() == []


def test_rolled_back_savepoint_takes_its_event(site: OutboxSite) -> None:
    with closing(site.connect()) as connection:
        Outbox().add(connection, row(1))
        connection.execute("SAVEPOINT inner_part")
        Outbox().add(connection, row(2))
        connection.execute("ROLLBACK TO SAVEPOINT inner_part")
        Outbox().add(connection, row(3))
        connection.commit()

    assert site.ids() == [row(1).event_id, row(3).event_id]


def test_ids_follow_the_calls(site: OutboxSite) -> None:
    with site.connection() as connection:
        for number in (5, 2, 9):
            Outbox().add(connection, row(number))

    assert site.ids() == [row(number).event_id for number in (5, 2, 9)]


def test_cursor_is_as_good_as_its_connection(site: OutboxSite) -> None:
    with site.connection() as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        Outbox().add(cursor, row(1))
        assert cursor.fetchone() == (1,)

    assert site.ids() == [row(1).event_id]


def test_psycopg_autocommit_is_refused(pg_site: OutboxSite) -> None:
    with psycopg.connect(pg_site.url, autocommit=True) as connection:
        with pytest.raises(NoTransactionError, match=r"connection\.transaction"):
            Outbox().add(connection, row(1))
        with connection.transaction():
            Outbox().add(connection, row(2))

    assert pg_site.ids() == [row(2).event_id]


def test_psycopg_raw_cursors_do_not_matter(pg_site: OutboxSite) -> None:
    with psycopg.connect(pg_site.url, cursor_factory=psycopg.RawCursor) as connection:
        Outbox().add(connection, row(1))

    assert pg_site.ids() == [row(1).event_id]


def test_sqlite_autocommit_is_refused(lite_site: OutboxSite) -> None:
    file = lite_site.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        with pytest.raises(NoTransactionError, match="BEGIN"):
            Outbox().add(connection, row(1))
        connection.execute("BEGIN")
        Outbox().add(connection, row(2))
        connection.execute("COMMIT")

    assert lite_site.ids() == [row(2).event_id]


def test_other_things_are_no_connection() -> None:
    with pytest.raises(ConfigurationError, match="str"):
        Outbox().add("connection", row(1))


async def test_async_connection_commits_with_its_event(pg_site: OutboxSite) -> None:
    async with await psycopg.AsyncConnection.connect(pg_site.url) as connection:
        await AsyncOutbox().add(connection, row(1))
        await connection.rollback()
        await AsyncOutbox().add(connection, row(2))

    assert pg_site.ids() == [row(2).event_id]


async def test_async_autocommit_is_refused(pg_site: OutboxSite) -> None:
    async with await psycopg.AsyncConnection.connect(pg_site.url, autocommit=True) as connection:
        with pytest.raises(NoTransactionError):
            await AsyncOutbox().add(connection, row(1))

    assert pg_site.ids() == []


def test_table_in_a_schema_is_written(pg_site: OutboxSite) -> None:
    with pg_site.connection() as connection:
        connection.execute("CREATE SCHEMA audit")
        connection.execute("ALTER TABLE telemetry_outbox SET SCHEMA audit")

    with pg_site.connection() as connection:
        Outbox(table="audit.telemetry_outbox").add(connection, row(1))

    assert pg_site.query("SELECT event_id FROM audit.telemetry_outbox") == [(row(1).event_id,)]


def test_logged_event_is_sealed_before_the_insert(site: OutboxSite) -> None:
    with Telemetry(_config()) as telemetry, site.connection() as connection, audit_context(user_id="ada"):
        event_id = Outbox(telemetry).log(connection, "order.paid", {"n": 1})
        assert Outbox().log(connection, "order.paid", {"n": 2}) != event_id

    assert site.ids()[0] == event_id
    assert len(site.ids()) == 2


def test_wrong_call_writes_nothing(site: OutboxSite) -> None:
    with Telemetry(_config()) as telemetry, site.connection() as connection, pytest.raises(EventError):
        Outbox(telemetry).log(connection, "", {}, "ada")

    assert site.ids() == []


def test_without_telemetry_nothing_is_written(site: OutboxSite) -> None:
    with site.connection() as connection, pytest.raises(LifecycleError, match="none is started"):
        Outbox().log(connection, "order.paid", {}, "ada")

    assert site.ids() == []


async def test_async_log_seals_and_writes(pg_site: OutboxSite) -> None:
    async with (
        telemetry_async.Telemetry(_config()) as telemetry,
        await psycopg.AsyncConnection.connect(pg_site.url) as connection,
    ):
        event_id = await AsyncOutbox(telemetry).log(connection, "order.paid", {"n": 1}, "ada")

    assert pg_site.ids() == [event_id]


def _config() -> TelemetryConfig:
    return TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))

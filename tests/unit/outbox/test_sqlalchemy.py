from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, create_engine, event
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from telemetry.exceptions import ConfigurationError, NoTransactionError, OutboxTableError
from telemetry.outbox import open_database
from telemetry.outbox.sqlalchemy import SqlAlchemyOutbox, outbox_table
from tests.services.postgres import PostgresServer
from tests.support.outbox_tables import OutboxSite, row


@pytest.fixture(params=["postgresql", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> OutboxSite:
    if request.param == "sqlite":
        return OutboxSite.in_sqlite(tmp_path)
    return OutboxSite.in_postgres(request.getfixturevalue("postgres"))


def _url(site: OutboxSite, *, driver: str = "") -> str:
    if site.is_sqlite:
        return site.url
    return site.url.replace("postgresql://", f"postgresql+{driver or 'psycopg'}://")


@pytest.fixture
def engine(site: OutboxSite) -> Iterator[Engine]:
    found = create_engine(_url(site))
    yield found
    found.dispose()


def test_session_commits_its_event(site: OutboxSite, engine: Engine) -> None:
    with Session(engine) as session:
        SqlAlchemyOutbox().add(session, row(1))
        assert site.ids() == []
        session.commit()

    assert bytes(site.query("SELECT data FROM telemetry_outbox")[0][0]) == row(1).data


def test_rolled_back_session_has_no_event(site: OutboxSite, engine: Engine) -> None:
    with Session(engine) as session:
        SqlAlchemyOutbox().add(session, row(1))
        session.rollback()

    assert site.ids() == []


def test_nested_rollback_takes_its_event(site: OutboxSite, engine: Engine) -> None:
    outbox = SqlAlchemyOutbox()
    with Session(engine) as session:
        outbox.add(session, row(1))
        nested = session.begin_nested()
        outbox.add(session, row(2))
        nested.rollback()
        outbox.add(session, row(3))
        session.commit()

    assert site.ids() == [row(1).event_id, row(3).event_id]


def test_connection_commits_its_event(site: OutboxSite, engine: Engine) -> None:
    with engine.begin() as connection:
        SqlAlchemyOutbox().add(connection, row(1))

    assert site.ids() == [row(1).event_id]


def test_autocommit_engine_is_refused(site: OutboxSite) -> None:
    engine = create_engine(_url(site), isolation_level="AUTOCOMMIT")
    with Session(engine) as session, pytest.raises(NoTransactionError, match=r"engine\.begin"):
        SqlAlchemyOutbox().add(session, row(1))
    engine.dispose()

    assert site.ids() == []


def test_autocommit_connection_is_refused(site: OutboxSite, engine: Engine) -> None:
    with (
        engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        pytest.raises(NoTransactionError),
    ):
        SqlAlchemyOutbox().add(connection, row(1))

    assert site.ids() == []


def test_explicit_begin_of_sqlite_is_a_transaction(tmp_path: Path) -> None:
    site = OutboxSite.in_sqlite(tmp_path)
    engine = create_engine(site.url)

    @event.listens_for(engine, "connect")
    def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    with Session(engine) as session:
        SqlAlchemyOutbox().add(session, row(1))
        session.rollback()
        SqlAlchemyOutbox().add(session, row(2))
        session.commit()
    engine.dispose()

    assert site.ids() == [row(2).event_id]


def test_event_inside_a_flush_is_written(site: OutboxSite, engine: Engine) -> None:
    outbox = SqlAlchemyOutbox()
    with Session(engine) as session:

        @event.listens_for(session, "before_commit")
        def _log(committing: Session) -> None:
            outbox.add(committing, row(1))

        session.connection()
        session.commit()

    assert site.ids() == [row(1).event_id]


def test_created_table_is_the_one_of_the_relay(postgres: PostgresServer, tmp_path: Path) -> None:
    for url in (postgres.new_database().replace("postgresql:", "postgresql+psycopg:"), f"sqlite:///{tmp_path}/new.db"):
        metadata = MetaData()
        table = outbox_table(metadata)
        engine = create_engine(url)
        metadata.create_all(engine)
        with engine.begin() as connection:
            for number in (1, 2):
                SqlAlchemyOutbox(table=table).add(connection, row(number))
        engine.dispose()

        with open_database(url) as found:
            assert found.acquire()
            assert [one.event_id for one in found.read(10)] == [row(1).event_id, row(2).event_id]


def test_table_without_schema_is_not_found(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with open_database(url, table="audit.telemetry_outbox") as found, pytest.raises(OutboxTableError):
        found.acquire()


def test_other_objects_are_no_session() -> None:
    with pytest.raises(ConfigurationError, match="str"):
        SqlAlchemyOutbox().add("session", row(1))  # type: ignore[arg-type]


async def test_async_session_commits_its_event(postgres: PostgresServer) -> None:
    site = OutboxSite.in_postgres(postgres)
    engine = create_async_engine(_url(site))
    outbox = SqlAlchemyOutbox()
    async with AsyncSession(engine) as session:
        await outbox.aadd(session, row(1))
        await session.rollback()
        await outbox.aadd(session, row(2))
        await session.commit()
    async with engine.begin() as connection:
        await outbox.aadd(connection, row(3))
    await engine.dispose()

    assert site.ids() == [row(2).event_id, row(3).event_id]

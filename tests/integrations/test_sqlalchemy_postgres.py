"""Audits sessions on a real PostgreSQL, where a failed read would end the transaction of the application."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, delete, insert, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from telemetry.integrations.sqlalchemy import SessionAudit
from telemetry.sync import Telemetry
from telemetry.testing.captured.captured_events import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.services.postgres import PostgresServer
from tests.support.sqlalchemy_shop import Base, Manager, Order, Tag, changes_of

pytestmark = pytest.mark.services


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_database().replace("postgresql://", "postgresql+psycopg://", 1)


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine)


@pytest.fixture
def events(captured_events: CapturedEvents) -> Iterator[CapturedEvents]:
    with Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))):
        yield captured_events


def test_rows_and_statements(sessions: sessionmaker[Session], events: CapturedEvents) -> None:
    audit = SessionAudit(sessions)
    with sessions() as session:
        order, manager = Order(total=1, details={"a": 1}), Manager(name="Ada", budget=1)
        session.add_all([order, manager])
        session.commit()
        order.total = Order.total + 1
        manager.name = "Eve"
        session.commit()
        session.execute(update(Order).where(Order.total == 2).values(total=3).returning(Order.id))
        session.execute(update(Manager).where(Manager.budget == 1).values(budget=2))
        session.scalars(insert(Tag).returning(Tag), [{"name": "red"}, {"name": "blue"}]).all()
        upsert = postgresql.insert(Tag).values(id=1, name="green")
        session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"name": "green"}))
        session.execute(delete(Order))
        session.commit()

    assert audit.failures == 0
    # Unrelated rows of one flush have no order.
    assert sorted(each.event_type for each in list(events)[:4]) == [
        *("manager.created", "manager.updated", "order.created", "order.updated"),
    ]
    assert [(each.event_type, each.entity_id) for each in events][4:] == [
        *(("order.updated", "1"), ("manager.updated", "1"), ("tag.created", None), ("tag.created", None)),
        *(("tag.upserted", "1"), ("order.deleted", "1")),
    ]
    flushed = [changes_of(each) for each in list(events)[2:4]]
    assert {"total": {"old": 1, "new": 2}} in flushed
    assert {"name": {"old": "Ada", "new": "Eve"}} in flushed
    assert changes_of(events[4]) == {"total": {"old": 2, "new": 3}}
    assert changes_of(events[5]) == {"budget": {"old": 1, "new": 2}}


def test_refused_read_keeps_the_transaction(
    sessions: sessionmaker[Session], engine: Engine, events: CapturedEvents
) -> None:
    audit = SessionAudit(sessions)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tags (name) VALUES ('red'), ('blue')"))
        connection.execute(text("DROP ROLE IF EXISTS writer"))
        connection.execute(text("CREATE ROLE writer"))
        connection.execute(text("GRANT UPDATE ON tags TO writer"))
    with sessions() as session:
        session.execute(text("SET LOCAL ROLE writer"))
        session.execute(update(Tag).values(name="green").execution_options(synchronize_session=False))
        session.commit()
        assert [tag.name for tag in session.query(Tag)] == ["green", "green"]
    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY writer"))
        connection.execute(text("DROP ROLE writer"))

    assert audit.failures == 1
    assert [(each.event_type, each.payload["rows"]) for each in events] == [("tag.bulk_updated", 2)]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_two_phases(postgres: PostgresServer, events: CapturedEvents, ending: str) -> None:
    url = postgres.new_database().replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine, twophase=True)
    audit = SessionAudit(sessions)
    with sessions() as session:
        session.add(Tag(name="red"))
        session.flush()
        if ending == "commit":
            session.commit()
        else:
            session.rollback()
    engine.dispose()

    assert audit.failures == 0
    assert len(events) == (ending == "commit")


def test_savepoints(sessions: sessionmaker[Session], events: CapturedEvents) -> None:
    SessionAudit(sessions)
    with sessions.begin() as session:
        session.add(Tag(name="kept"))
        with session.begin_nested() as savepoint:
            session.add(Tag(name="lost"))
            session.flush()
            savepoint.rollback()
        with session.begin_nested():
            session.add(Tag(name="released"))

    assert [changes_of(each)["name"]["new"] for each in events] == ["kept", "released"]


async def test_async_session(url: str, engine: Engine, events: CapturedEvents) -> None:
    async_engine = create_async_engine(url)
    sessions = async_sessionmaker(async_engine)
    audit = SessionAudit(sessions)
    async with sessions() as session:
        order = Order(total=1)
        session.add(order)
        await session.commit()
        order.total = 2
        await session.commit()
        await session.execute(update(Order).values(total=3))
        await session.commit()
    await async_engine.dispose()

    assert audit.failures == 0
    assert [changes_of(each)["total"] for each in events] == [{"new": 1}, {"old": 1, "new": 2}, {"old": 2, "new": 3}]

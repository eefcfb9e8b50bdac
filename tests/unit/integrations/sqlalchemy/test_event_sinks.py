from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from telemetry.context import audit_context
from telemetry.exceptions import ConfigurationError, LifecycleError
from telemetry.integrations.sqlalchemy import SessionAudit
from telemetry.outbox.sqlalchemy import SqlAlchemyOutbox, outbox_table
from telemetry.sync import Telemetry
from telemetry.testing.captured.captured_events import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.sqlalchemy_shop import Base, Customer, Order, Tag, changes_of

CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))
OUTBOX = outbox_table(MetaData())


@pytest.fixture
def telemetry(captured_events: CapturedEvents) -> Iterator[Telemetry]:
    with Telemetry(CONFIG) as telemetry:
        yield telemetry


@pytest.fixture
def file_engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions, and savepoints are real

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    Base.metadata.create_all(engine)
    OUTBOX.metadata.create_all(engine)
    yield engine
    engine.dispose()


def relayed(telemetry: Telemetry, engine: Engine) -> None:
    """Send what is in the outbox, as a relay does."""
    with engine.connect() as connection:
        for data in connection.scalars(select(OUTBOX.c.data).order_by(OUTBOX.c.id)).all():
            telemetry.audit.relay(data)


def test_events_are_in_the_same_transaction(
    telemetry: Telemetry, file_engine: Engine, captured_events: CapturedEvents
) -> None:
    sessions = sessionmaker(file_engine)
    audit = SessionAudit(sessions, delivery="transactional")
    with audit_context(user_id="ada"), sessions() as session:
        session.add_all([Tag(name="red"), Customer(name="Ada", iban="CANARY", password="CANARY")])
        session.flush()
        inside = session.scalars(select(OUTBOX.c.event_id)).all()
        session.commit()
        session.execute(update(Tag).values(name="blue"))
        with session.begin_nested() as savepoint:
            session.add(Tag(name="lost"))
            session.flush()
            savepoint.rollback()
        session.commit()
        session.add(Tag(name="rolled back"))
        session.flush()
        session.rollback()
    logged_before_the_relay = len(captured_events)
    relayed(telemetry, file_engine)

    assert (len(inside), logged_before_the_relay, audit.failures) == (2, 0, 0)
    assert [(each.event_type, each.entity_id, each.user_id) for each in captured_events] == [
        ("customer.created", "1", "ada"),
        ("tag.created", "1", "ada"),
        ("tag.updated", "1", "ada"),
    ]
    assert changes_of(captured_events[2]) == {"name": {"old": "red", "new": "blue"}}
    assert "CANARY" not in str([changes_of(each) for each in captured_events])


def test_nothing_started_fails_the_flush(file_engine: Engine) -> None:
    sessions = sessionmaker(file_engine)
    audit = SessionAudit(sessions, delivery="transactional")
    with sessions() as session:
        session.add(Tag(name="red"))
        with pytest.raises(LifecycleError):
            session.commit()
        session.rollback()
        with pytest.raises(LifecycleError):
            session.execute(insert(Tag).values(name="red"))
        session.rollback()
        assert session.query(Tag).count() == 0

    assert audit.failures == 2


def test_absent_table_fails_the_flush(telemetry: Telemetry, engine: Engine, captured_events: CapturedEvents) -> None:
    sessions = sessionmaker(engine)
    SessionAudit(sessions, delivery="transactional")
    with sessions() as session:
        session.add(Tag(name="red"))
        with pytest.raises(OperationalError):
            session.commit()
        session.rollback()
        assert session.query(Tag).count() == 0


def test_unknown_delivery_is_refused(engine: Engine) -> None:
    with pytest.raises(ConfigurationError):
        SessionAudit(sessionmaker(engine), delivery="maybe")  # type: ignore[arg-type]


@pytest.fixture
async def async_engine(file_engine: Engine, tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}")
    yield engine
    await engine.dispose()


async def test_async_session_seals_without_blocking(
    telemetry: Telemetry, file_engine: Engine, async_engine: AsyncEngine, captured_events: CapturedEvents
) -> None:
    sessions = async_sessionmaker(async_engine)
    audit = SessionAudit(sessions, outbox=SqlAlchemyOutbox(telemetry, table=OUTBOX), delivery="transactional")
    async with sessions() as session:
        session.add(Order(total=1))
        await session.commit()
        await session.execute(update(Order).values(total=2))
        await session.commit()
    relayed(telemetry, file_engine)

    assert audit.failures == 0
    assert [each.event_type for each in captured_events] == ["order.created", "order.updated"]

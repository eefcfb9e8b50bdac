from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import AsyncAdaptedQueuePool, Engine, create_engine, event, insert, update
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from telemetry.context import audit_context
from telemetry.integrations.sqlalchemy import SessionAudit
from telemetry.integrations.sqlalchemy.event_sinks import TrailSink
from telemetry.integrations.sqlalchemy.flush_watch import FlushWatch
from telemetry.integrations.sqlalchemy.session_work import SessionWork
from telemetry.integrations.sqlalchemy.transactions import TransactionChanges
from telemetry.sync import Telemetry
from telemetry.testing.captured.captured_events import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.sqlalchemy_shop import Base, Customer, Order, Tag, Untellable, changes_of

TASKS = 1_000


@pytest.fixture
async def async_engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{tmp_path / 'shop.db'}",
        poolclass=AsyncAdaptedQueuePool,
        pool_size=4,
        max_overflow=0,
        pool_timeout=300,
    )
    async with engine.begin() as connection:
        await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        await connection.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


async def test_async_session(async_engine: AsyncEngine, events: CapturedEvents) -> None:
    sessions = async_sessionmaker(async_engine)
    audit = SessionAudit(sessions)
    async with sessions() as session:
        order, tag = Order(total=1), Tag(name="red")
        session.add_all([order, tag])
        await session.commit()
        await session.refresh(order, ["tags"])
        order.total = Order.total + 1
        order.tags.append(tag)
        await session.commit()
        await session.execute(update(Order).values(total=9))
        async with session.begin_nested() as savepoint:
            session.add(Tag(name="lost"))
            await session.flush()
            await savepoint.rollback()
        await session.delete(order)
        await session.commit()

    assert audit.failures == 0
    assert [(each.event_type, each.entity_id) for each in events] == [
        ("order.created", "1"),
        ("tag.created", "1"),
        ("order.updated", "1"),
        ("order.updated", "1"),
        ("order.deleted", "1"),
    ]
    assert changes_of(events[2]) == {"total": {"old": 1, "new": 2}, "tags.added": {"new": [1]}}
    assert changes_of(events[3]) == {"total": {"old": 2, "new": 9}}


async def test_other_async_factory_is_not_audited(async_engine: AsyncEngine, events: CapturedEvents) -> None:
    audited, other = async_sessionmaker(async_engine), async_sessionmaker(async_engine)
    SessionAudit(audited)
    for sessions, name in ((audited, "red"), (other, "blue")):
        async with sessions.begin() as session:
            session.add(Tag(name=name))

    assert changes_of(events.one("tag.created"))["name"] == {"new": "red"}


async def test_tasks_never_mix_users(async_engine: AsyncEngine, events: CapturedEvents) -> None:
    sessions = async_sessionmaker(async_engine)
    audit = SessionAudit(sessions)

    async def work(number: int) -> None:
        with audit_context(user_id=f"user-{number}", correlation_id=f"request-{number}"):
            async with sessions() as session:
                session.add(Customer(name=f"user-{number}"))
                await session.flush()
                await asyncio.sleep(0)
                await session.commit()

    async with asyncio.TaskGroup() as group:
        for number in range(TASKS):
            group.create_task(work(number))

    assert audit.failures == 0
    assert len(events) == TASKS
    for each in events:
        assert changes_of(each)["name"]["new"] == each.user_id
        assert each.correlation_id == each.user_id.replace("user", "request")


@pytest.mark.parametrize("kind", ["factory", "scoped", "class", "session"])
def test_whatever_makes_sessions(engine: Engine, events: CapturedEvents, kind: str) -> None:
    factory = sessionmaker(engine)
    own = type("Own", (Session,), {})
    targets: dict[str, tuple[Any, Any]] = {
        "factory": (factory, factory),
        "scoped": (registry := scoped_session(factory), registry),
        "class": (own, lambda: own(engine)),
    }
    if kind == "session":
        session = factory()
        targets["session"] = session, lambda: session
    target, make = targets[kind]
    audit = SessionAudit(target)
    with make() as session:
        session.add(Tag(name="red"))
        session.commit()

    events.one("tag.created")
    audit.remove()
    with make() as session:
        session.add(Tag(name="blue"))
        session.commit()
    assert len(events) == 1


async def test_whatever_makes_async_sessions(async_engine: AsyncEngine, events: CapturedEvents) -> None:
    factory = async_sessionmaker(async_engine)
    scoped = async_scoped_session(factory, scopefunc=asyncio.current_task)

    class OwnSync(Session):
        pass

    class Own(AsyncSession):
        sync_session_class = OwnSync

    one = AsyncSession(async_engine)
    SessionAudit(scoped)
    SessionAudit(Own)
    SessionAudit(one)
    for session in (scoped(), Own(async_engine), one, AsyncSession(async_engine)):
        session.add(Tag(name="red"))
        await session.commit()
        await session.close()

    assert len(events) == 3


def test_threads_never_mix_users(tmp_path: Path, events: CapturedEvents) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}", connect_args={"timeout": 300})
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    audit = SessionAudit(sessions)

    def work(number: int) -> None:
        for _ in range(20):
            with audit_context(user_id=f"user-{number}"), sessions.begin() as session:
                session.add(Customer(name=f"user-{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engine.dispose()

    assert audit.failures == 0
    assert len(events) == 160
    assert [each for each in events if changes_of(each)["name"]["new"] != each.user_id] == []


@pytest.mark.parametrize(
    ("owner", "step", "failures"),
    [
        (SessionWork, "watching", 4),  # one object inserted, one looked at before and after its update, one deleted
        (FlushWatch, "changes", 3),
        (SessionWork, "connected", 4),
        (TransactionChanges, "add", 4),
        (TrailSink, "log", 3),
    ],
)
def test_failing_hooks_never_reach_the_application(
    sessions: sessionmaker[Session],
    events: CapturedEvents,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    step: str,
    failures: int,
) -> None:
    def fail(*_: object, **__: object) -> None:
        message = "CANARY"
        raise RuntimeError(message)

    audit = SessionAudit(sessions)
    monkeypatch.setattr(owner, step, fail)
    with sessions() as session:
        tag = Tag(name="red")
        session.add(tag)
        session.commit()
        tag.name = "blue"
        session.commit()
        session.execute(update(Tag).values(name="green"))
        session.delete(tag)
        session.commit()
        assert session.query(Tag).count() == 0

    assert audit.failures == failures


def test_failing_read_leaves_the_transaction_alone(
    sessions: sessionmaker[Session], engine: Engine, events: CapturedEvents
) -> None:
    audit = SessionAudit(sessions)

    def refuse(conn: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT"):
            message = "reading is not allowed"
            raise RuntimeError(message)

    with sessions() as session:
        session.execute(insert(Tag).values(name="red"))
        event.listen(engine, "before_cursor_execute", refuse)
        session.execute(update(Tag).where(Tag.name == "red").values(name="blue"))
        event.remove(engine, "before_cursor_execute", refuse)
        session.commit()
        assert session.query(Tag).one().name == "blue"

    assert audit.failures == 1
    assert [each.event_type for each in events] == ["tag.created", "tag.bulk_updated"]


def test_no_telemetry_never_reaches_the_application(sessions: sessionmaker[Session]) -> None:
    audit = SessionAudit(sessions)
    with sessions.begin() as session:
        session.add(Tag(name="red"))

    assert audit.failures == 1


def test_refused_event_never_reaches_the_application(
    sessions: sessionmaker[Session], captured_events: CapturedEvents
) -> None:
    config = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))
    with Telemetry(config) as telemetry:
        audit = SessionAudit(sessions, telemetry=telemetry)
        with sessions.begin() as session, audit_context(user_id=Untellable(), tenant_id="\x00" * 9_000):
            session.add(Tag(name="x" * 5_000_000))
    with sessions.begin() as session:
        session.add(Tag(name="after the end"))

    assert audit.failures == 1
    assert len(captured_events) == 1


def test_second_audit_logs_nothing_twice(sessions: sessionmaker[Session], events: CapturedEvents) -> None:
    first, second = SessionAudit(sessions), SessionAudit(sessions)
    with sessions() as session:
        for name in ("red", "blue"):
            with session.begin_nested():
                session.add(Tag(name=name))
            session.execute(update(Tag).where(Tag.name == name).values(name=name.upper()))
            session.commit()
            first.remove()

    assert (first.failures, second.failures) == (0, 0)
    assert [each.event_type for each in events] == ["tag.created", "tag.updated"] * 2


def test_default_user(sessions: sessionmaker[Session], events: CapturedEvents) -> None:
    SessionAudit(sessions, default_user="nightly")
    with sessions.begin() as session:
        session.add(Tag(name="red"))
    with audit_context(user_id=None), sessions.begin() as session:
        session.add(Tag(name="blue"))

    assert [each.user_id for each in events] == ["nightly", "anonymous"]

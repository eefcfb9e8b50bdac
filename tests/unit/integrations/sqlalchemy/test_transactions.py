from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from telemetry.integrations.sqlalchemy import SessionAudit
from telemetry.integrations.sqlalchemy.row_change import RowChange
from telemetry.integrations.sqlalchemy.transactions import ChangeList
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.sqlalchemy_shop import Tag, changes_of


def names(events: CapturedEvents) -> list[str]:
    return [changes_of(each)["name"]["new"] for each in events]


def tag(session: Session, name: str) -> None:
    session.add(Tag(name=name))
    session.flush()


@pytest.fixture
def real_savepoints(engine: Engine) -> None:
    """Have SQLite begin a transaction where SQLAlchemy does."""

    @event.listens_for(engine, "connect")
    def connect(connection: object, record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    engine.dispose()
    Tag.metadata.create_all(engine)


def test_nothing_before_the_commit(session: Session, events: CapturedEvents) -> None:
    tag(session, "red")

    assert len(events) == 0
    session.commit()
    assert names(events) == ["red"]


def test_rolled_back_is_not_logged(session: Session, events: CapturedEvents) -> None:
    tag(session, "red")
    session.rollback()
    tag(session, "blue")
    session.commit()

    assert names(events) == ["blue"]


def test_closed_session_logs_nothing(
    sessions: sessionmaker[Session], audit: SessionAudit, events: CapturedEvents
) -> None:
    with sessions() as session:
        tag(session, "red")
    with sessions.begin() as session:
        tag(session, "blue")

    assert names(events) == ["blue"]


@pytest.mark.usefixtures("real_savepoints")
def test_rolled_back_savepoint_is_not_logged(session: Session, events: CapturedEvents) -> None:
    tag(session, "before")
    with session.begin_nested():
        tag(session, "released")
        with session.begin_nested() as inner:
            tag(session, "inner")
            inner.rollback()
        tag(session, "after")
    with session.begin_nested() as outer:
        with session.begin_nested():
            tag(session, "released inside")
        outer.rollback()
    session.commit()

    assert names(events) == ["before", "released", "after"]
    assert session.query(Tag).count() == 3


@pytest.mark.usefixtures("real_savepoints")
def test_savepoint_abandoned_by_an_error(session: Session, events: CapturedEvents) -> None:
    tag(session, "red")

    def fail() -> None:
        with session.begin_nested():
            session.execute(text("INSERT INTO tags (id, name) VALUES (9, 'x')"))
            tag(session, "lost")
            session.add(Tag(id=9, name="twice"))

    with pytest.raises(IntegrityError):
        fail()
    session.commit()

    assert names(events) == ["red"]


def test_failed_flush_is_not_logged(session: Session, events: CapturedEvents) -> None:
    tag(session, "red")
    session.commit()
    session.add_all([Tag(name="new"), Tag(id=1, name="twice")])
    with pytest.raises(IntegrityError):
        session.flush()
    session.rollback()
    tag(session, "blue")
    session.commit()

    assert names(events) == ["red", "blue"]


def test_failed_commit_is_not_logged(session: Session, engine: Engine, events: CapturedEvents) -> None:
    tag(session, "red")

    def refuse(connection: object) -> None:
        message = "COMMIT"
        raise OperationalError(message, None, Exception())

    event.listen(engine, "commit", refuse)
    with pytest.raises(OperationalError):
        session.commit()
    event.remove(engine, "commit", refuse)
    session.rollback()

    assert len(events) == 0


@pytest.mark.usefixtures("real_savepoints")
@pytest.mark.parametrize("mode", ["conditional_savepoint", "rollback_only", "create_savepoint"])
def test_outer_transaction_decides(
    sessions: sessionmaker[Session], audit: SessionAudit, engine: Engine, events: CapturedEvents, mode: str
) -> None:
    with engine.connect() as connection:
        for name, ends in (("kept", connection.commit), ("lost", connection.rollback), ("last", connection.commit)):
            connection.begin()
            with sessions(bind=connection, join_transaction_mode=mode) as session:
                tag(session, name)
                session.commit()
            before = len(events)
            ends()
            assert len(events) == before + (name != "lost")

    assert names(events) == ["kept", "last"]


@pytest.mark.usefixtures("real_savepoints")
def test_outer_savepoint_decides(
    sessions: sessionmaker[Session], audit: SessionAudit, engine: Engine, events: CapturedEvents
) -> None:
    with engine.begin() as connection:
        for name in ("kept", "lost"):
            savepoint = connection.begin_nested()
            with sessions(bind=connection, join_transaction_mode="create_savepoint") as session:
                tag(session, name)
                session.commit()
            savepoint.rollback() if name == "lost" else savepoint.commit()

    assert names(events) == ["kept"]


def test_control_fully_commits_at_once(
    sessions: sessionmaker[Session], audit: SessionAudit, engine: Engine, events: CapturedEvents
) -> None:
    with engine.connect() as connection:
        connection.begin()
        with sessions(bind=connection, join_transaction_mode="control_fully") as session:
            tag(session, "red")
            session.commit()
            assert names(events) == ["red"]


def test_audited_in_the_middle(sessions: sessionmaker[Session], engine: Engine, events: CapturedEvents) -> None:
    with sessions() as session:
        session.connection()
        audit = SessionAudit(session)
        tag(session, "red")
        session.commit()
        tag(session, "blue")
        session.rollback()
        audit.remove()
        tag(session, "green")
        session.commit()

    assert names(events) == ["red"]


def test_huge_transaction_is_counted() -> None:
    changes = ChangeList(limit=2)
    for number in range(5):
        changes.add(RowChange("create", "tag", "tags", {"user_id": "ada"}, entity_id=number))
    changes.add(RowChange("delete", "tag", "tags", {}, payload={"rows": 7}))
    outer = ChangeList(limit=3)
    outer.extend(changes)

    found = [(each.event_type, each.entity_id, each.payload.get("rows")) for each in outer]
    assert found == [
        ("tag.created", 0, None),
        ("tag.created", 1, None),
        ("tag.bulk_created", None, 3),
        ("tag.bulk_deleted", None, 7),
    ]

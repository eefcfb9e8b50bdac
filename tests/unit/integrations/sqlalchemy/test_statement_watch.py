from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import CursorResult, Engine, Update, bindparam, delete, event, func, insert, select, text, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import ORMExecuteState, Session, sessionmaker, with_loader_criteria

from telemetry.integrations.sqlalchemy import SessionAudit
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.sqlalchemy_shop import (
    Customer,
    Manager,
    Order,
    OrderLine,
    Tag,
    changes_of,
    order_tags,
    shown,
    statements_of,
)


@pytest.fixture
def orders(session: Session, events: CapturedEvents) -> None:
    session.add_all([Order(total=1), Order(total=2), Order(total=3)])
    session.commit()
    events.clear()


@pytest.mark.usefixtures("orders")
def test_update_logs_each_row(session: Session, events: CapturedEvents) -> None:
    result = session.execute(update(Order).where(Order.total > 1).values(total=Order.total * 10, region="south"))
    assert isinstance(result, CursorResult)
    assert result.rowcount == 2
    session.commit()

    assert shown(events) == [
        ("order.updated", "2", {"total": {"old": 2, "new": 20}, "region": {"old": "north", "new": "south"}}),
        ("order.updated", "3", {"total": {"old": 3, "new": 30}, "region": {"old": "north", "new": "south"}}),
    ]


@pytest.mark.usefixtures("orders")
def test_statement_sees_what_is_pending(session: Session, events: CapturedEvents) -> None:
    session.add(Order(total=4))
    session.execute(update(Order).where(Order.total == 4).values(total=5))
    session.commit()

    assert [(each.event_type, changes_of(each)["total"]) for each in events] == [
        ("order.created", {"new": 4}),
        ("order.updated", {"old": 4, "new": 5}),
    ]


@pytest.mark.usefixtures("orders")
def test_delete_logs_each_row(session: Session, events: CapturedEvents) -> None:
    session.execute(delete(Order).where(func.abs(Order.total) < 3))
    session.commit()

    assert [(each.event_type, each.entity_id, changes_of(each)["total"]) for each in events] == [
        ("order.deleted", "1", {"old": 1}),
        ("order.deleted", "2", {"old": 2}),
    ]


@pytest.mark.usefixtures("orders")
def test_legacy_query_is_seen(session: Session, events: CapturedEvents) -> None:
    session.query(Order).filter(Order.id == 1).update({"total": 7})
    session.query(Order).filter_by(id=2).delete()
    session.commit()

    assert [(each.event_type, each.entity_id) for each in events] == [("order.updated", "1"), ("order.deleted", "2")]


@pytest.mark.usefixtures("orders")
def test_returning_belongs_to_the_application(session: Session, events: CapturedEvents) -> None:
    updated = session.scalars(update(Order).where(Order.id < 3).values(total=9).returning(Order)).all()
    inserted = session.scalars(insert(Tag).returning(Tag), [{"name": "red"}, {"name": "blue"}]).all()
    session.commit()

    assert [order.id for order in updated] == [1, 2]
    assert [tag.name for tag in inserted] == ["red", "blue"]
    assert [each.event_type for each in events] == ["order.updated"] * 2 + ["tag.created"] * 2


@pytest.mark.usefixtures("orders")
def test_update_by_primary_key(session: Session, events: CapturedEvents) -> None:
    session.execute(update(Order), [{"id": 1, "total": 5}, {"id": 2, "total": 2}])
    session.commit()

    assert shown(events) == [("order.updated", "1", {"total": {"old": 1, "new": 5}})]


@pytest.mark.usefixtures("orders")
def test_parameters_of_the_statement_are_used(session: Session, events: CapturedEvents) -> None:
    session.execute(
        update(Order).where(Order.id == bindparam("which")).values(total=bindparam("new")), {"which": 2, "new": 8}
    )
    session.commit()

    assert shown(events) == [("order.updated", "2", {"total": {"old": 2, "new": 8}})]


@pytest.mark.usefixtures("orders")
def test_criteria_of_the_application_hold(engine: Engine, audit: SessionAudit, events: CapturedEvents) -> None:
    early, late = sessionmaker(engine), sessionmaker(engine)

    def only_large(state: ORMExecuteState) -> None:
        state.statement = state.statement.options(with_loader_criteria(Order, Order.total > 2))

    event.listen(early, "do_orm_execute", only_large)
    SessionAudit(early)
    SessionAudit(late)
    event.listen(late, "do_orm_execute", only_large)
    for sessions, region in ((early, "south"), (late, "east")):
        with sessions.begin() as session:
            session.execute(update(Order).values(region=region))

    # Criteria that were added after the rows had been read: their number is right, and no row is named wrongly.
    assert [(each.event_type, each.entity_id, each.payload.get("rows")) for each in events] == [
        ("order.updated", "3", None),
        ("order.bulk_updated", None, 1),
    ]


@pytest.mark.usefixtures("orders")
def test_too_many_rows_are_counted(
    sessions: sessionmaker[Session], audit: SessionAudit, events: CapturedEvents
) -> None:
    audit.remove()
    SessionAudit(sessions, bulk_rows=2)
    with sessions.begin() as session:
        session.execute(update(Order).where(Order.total > 0, Order.region == "north").values(total=0))
        session.execute(insert(Tag), [{"name": "SECRET"}] * 3)
        session.execute(delete(Order))

    assert [(each.event_type, each.entity, each.entity_id, each.payload) for each in events] == [
        (
            *("order.bulk_updated", "order", None),
            {"table": "orders", "rows": 3, "criteria": ["region", "total"], "set": ["total"]},
        ),
        ("tag.bulk_created", "tag", None, {"table": "tags", "rows": 3, "set": ["name"]}),
        ("order.bulk_deleted", "order", None, {"table": "orders", "rows": 3, "criteria": []}),
    ]
    assert [each.changes for each in events if each.changes] == []


@pytest.mark.usefixtures("orders")
def test_without_reading_all_is_counted(
    sessions: sessionmaker[Session], audit: SessionAudit, engine: Engine, events: CapturedEvents
) -> None:
    audit.remove()
    SessionAudit(sessions, read_values=False)
    sent = statements_of(engine)
    with sessions.begin() as session:
        session.execute(update(Order).where(Order.id == 1).values(total=0))

    assert events.one("order.bulk_updated").payload["rows"] == 1
    assert [statement.split()[0] for statement in sent] == ["UPDATE"]


def test_insert_forms(session: Session, events: CapturedEvents) -> None:
    session.execute(insert(Tag), [{"name": "a"}, {"id": 7, "name": "b"}])
    session.execute(insert(Tag).values(name="c"))
    session.execute(insert(Tag).values([{"name": "d"}, {"name": "e"}]))
    session.execute(insert(Tag).values([(20, "f")]))
    session.execute(insert(Tag), {"name": "g"})
    session.execute(insert(Tag).from_select(["name"], select(Tag.name).where(Tag.id == 7)))
    session.commit()

    assert shown(events) == [
        ("tag.created", None, {"name": {"new": "a"}}),
        ("tag.created", "7", {"id": {"new": 7}, "name": {"new": "b"}}),
        ("tag.created", "8", {"id": {"new": 8}, "name": {"new": "c"}}),
        ("tag.created", None, {"name": {"new": "d"}}),
        ("tag.created", None, {"name": {"new": "e"}}),
        ("tag.bulk_created", None, {}),
        ("tag.created", None, {"name": {"new": "g"}}),
        ("tag.bulk_created", None, {}),
    ]


def test_upsert_does_not_claim_a_creation(session: Session, events: CapturedEvents) -> None:
    statement = sqlite.insert(Tag).values(id=1, name="red")
    session.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"name": statement.excluded.name}))
    session.commit()

    assert shown(events) == [("tag.upserted", "1", {"id": {"new": 1}, "name": {"new": "red"}})]


@pytest.mark.usefixtures("orders")
def test_tables_without_class_are_counted(session: Session, events: CapturedEvents) -> None:
    session.add(Tag(name="red"))
    session.flush()  # SQLAlchemy 2.1 does this before a statement on a table, 2.0 does not
    session.execute(order_tags.insert(), [{"order_id": 1, "tag_id": 1}])
    session.execute(update(Tag.__table__).where(Tag.__table__.c.id == 1).values(name="blue"))  # type: ignore[arg-type]
    session.commit()

    assert [(each.event_type, each.payload.get("rows")) for each in events] == [
        ("tag.created", None),
        ("order_tags.bulk_created", 1),
        ("tags.bulk_updated", 1),
    ]


def test_inherited_and_composite_rows(session: Session, events: CapturedEvents) -> None:
    session.add_all([Manager(name="Ada", budget=1), OrderLine(order_id=1, product="tea", amount=1)])
    session.commit()
    events.clear()
    session.execute(update(Manager).where(Manager.budget == 1).values(budget=2))
    session.execute(delete(OrderLine).where(OrderLine.product == "tea"))
    session.commit()

    assert [(each.event_type, each.entity_id) for each in events] == [
        ("manager.updated", "1"),
        ("order_line.deleted", '[1,"tea"]'),
    ]


def test_masked_values_of_a_statement(session: Session, events: CapturedEvents) -> None:
    session.execute(insert(Customer).values(name="Ada", iban="CANARY", password="CANARY", search="CANARY"))
    session.execute(update(Customer).where(Customer.iban == "CANARY").values(password="CANARY2"))
    session.commit()

    assert changes_of(events.one("customer.updated")) == {"password": {"old": "[scrubbed]", "new": "[scrubbed]"}}
    assert "CANARY" not in "".join(str((each.payload, changes_of(each))) for each in events)


def test_failed_statement_is_the_applications(session: Session, events: CapturedEvents) -> None:
    session.execute(insert(Tag).values(id=1, name="red"))
    with pytest.raises(IntegrityError):
        session.execute(insert(Tag).values(id=1, name="red"))
    session.rollback()

    assert len(events) == 0


@pytest.mark.usefixtures("orders")
def test_replica_is_not_read(engine: Engine, audit: SessionAudit, events: CapturedEvents) -> None:
    class Routing(Session):
        """Sends reads to a database that is not there."""

        def get_bind(self, *_: object, clause: Any = None, **__: Any) -> Engine:
            if clause is not None and not isinstance(clause, Update):
                message = "the replica was asked"
                raise AssertionError(message)
            return engine

    audited = SessionAudit(Routing)
    with Routing() as session:
        session.execute(update(Order).where(Order.id == 1).values(total=9))
        session.commit()
    audited.remove()

    assert audited.failures == 0
    assert [each.event_type for each in events] == ["order.updated"]


def test_plain_sql_is_not_seen(session: Session, events: CapturedEvents) -> None:
    session.execute(text("INSERT INTO tags (name) VALUES ('red')"))
    session.connection().execute(insert(Tag).values(name="blue"))
    session.commit()

    assert len(events) == 0

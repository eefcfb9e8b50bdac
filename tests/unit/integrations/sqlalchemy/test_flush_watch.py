from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Engine, inspect
from sqlalchemy.orm import Session, attributes, defer, selectinload

from telemetry.context import audit_context
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.sqlalchemy_shop import (
    Clerk,
    Customer,
    Manager,
    Node,
    Order,
    OrderLine,
    Person,
    Status,
    Tag,
    changes_of,
    shown,
    statements_of,
)


def saved(session: Session, *objects: Any) -> None:
    session.add_all(objects)
    session.commit()


def test_new_row_has_generated_key(session: Session, events: CapturedEvents) -> None:
    saved(session, Customer(name="Ada", iban="DE1", password="x", search="ada"))

    created = events.one("customer.created", entity="customer", entity_id="1", action="create", outcome="success")
    assert created.payload == {"table": "customers"}
    assert changes_of(created) == {
        "id": {"new": 1},
        "name": {"new": "Ada"},
        "iban": {"new": "[masked]"},
        "password": {"new": "[scrubbed]"},
    }


def test_server_default_is_logged(session: Session, events: CapturedEvents) -> None:
    saved(session, Order(status=Status.PAID, details={"a": [1]}))

    changes = changes_of(events.one("order.created"))
    assert changes["region"] == {"new": "north"}
    assert changes["status"] == {"new": "PAID"}
    assert changes["details"] == {"new": {"a": [1]}}
    assert "double" not in changes
    assert "is_large" not in changes


def test_update_shows_old_and_new(session: Session, events: CapturedEvents) -> None:
    order = Order(total=1)
    saved(session, order)
    session.refresh(order)
    order.total, order.region = 2, "north"
    session.commit()

    assert shown(events)[1:] == [("order.updated", "1", {"total": {"old": 1, "new": 2}})]


def test_expired_object_costs_one_select(session: Session, engine: Engine, events: CapturedEvents) -> None:
    def expired_update(session: Session) -> list[str]:
        order = Order(total=1)
        saved(session, order)
        sent = statements_of(engine)
        order.total = 2
        session.commit()
        return [statement.split()[0] for statement in sent]

    with Session(engine) as unaudited:
        usual = expired_update(unaudited)

    assert sorted(expired_update(session)) == sorted([*usual, "SELECT"])
    assert changes_of(events.one("order.updated")) == {"total": {"old": 1, "new": 2}}


def test_same_value_on_expired_object_is_nothing(session: Session, events: CapturedEvents) -> None:
    order = Order(total=1)
    saved(session, order)
    order.total = 1
    session.commit()

    events.none("order.updated")


def test_sql_expression_is_read_back(session: Session, events: CapturedEvents) -> None:
    order = Order(total=5)
    saved(session, order)
    order.total = Order.total + 1
    session.commit()

    assert changes_of(events.one("order.updated")) == {"total": {"old": 5, "new": 6}}


def test_value_changed_in_place(session: Session, events: CapturedEvents) -> None:
    order = Order(details={"a": 1})
    saved(session, order)
    assert order.details is not None
    order.details["a"] = 2
    attributes.flag_modified(order, "details")
    session.flush()
    order.details["a"] = 3
    session.commit()

    assert changes_of(events.one("order.updated")) == {"details": {"old": {"a": 1}, "new": {"a": 2}}}


def test_relationship_is_logged_as_key(session: Session, events: CapturedEvents) -> None:
    order, customer = Order(), Customer(name="Ada")
    saved(session, order, customer)
    customer.orders.append(order)
    session.commit()

    assert shown(events.all("order.updated")) == [("order.updated", "1", {"customer_id": {"old": None, "new": 1}})]
    events.none("customer.updated")


def test_deleted_row_keeps_its_values(session: Session, events: CapturedEvents) -> None:
    customer = Customer(name="Ada", iban="DE1")
    saved(session, customer)
    session.delete(customer)
    session.commit()

    changes = changes_of(events.one("customer.deleted", entity_id="1"))
    assert changes == {
        "id": {"old": 1},
        "name": {"old": "Ada"},
        "iban": {"old": "[masked]"},
        "password": {"old": None},
    }


def test_cascade_and_orphans_are_logged(session: Session, events: CapturedEvents) -> None:
    customer = Customer(name="Ada", orders=[Order(lines=[OrderLine(product="tea", amount=1)]), Order()])
    saved(session, customer)
    customer.orders.pop()
    session.commit()
    session.delete(customer)
    session.commit()

    deleted = [(each.event_type, each.entity_id) for each in events if each.action == "delete"]
    assert deleted == [
        ("order.deleted", "2"),
        ("order_line.deleted", '[1,"tea"]'),
        ("order.deleted", "1"),
        ("customer.deleted", "1"),
    ]


def test_changed_and_deleted_row_shows_committed(session: Session, events: CapturedEvents) -> None:
    order = Order(total=1)
    saved(session, order)
    session.refresh(order)
    order.total = 9
    with session.no_autoflush:
        session.delete(order)
    session.commit()

    assert changes_of(events.one("order.deleted"))["total"] == {"old": 1}


def test_joined_inheritance(session: Session, events: CapturedEvents) -> None:
    manager = Manager(name="Ada", budget=1)
    saved(session, manager)
    manager.name, manager.budget = "Eve", 2
    session.commit()

    assert changes_of(events.one("manager.updated", entity_id="1")) == {
        "name": {"old": "Ada", "new": "Eve"},
        "budget": {"old": 1, "new": 2},
    }
    assert events.one("manager.created").payload == {"table": "managers"}


def test_single_table_inheritance(session: Session, events: CapturedEvents) -> None:
    saved(session, Clerk(name="Ada", desk="3"), Person(name="Eve"))

    assert changes_of(events.one("clerk.created"))["desk"] == {"new": "3"}
    assert "desk" not in changes_of(events.one("person.created"))


def test_composite_key_changes(session: Session, events: CapturedEvents) -> None:
    line = OrderLine(order_id=7, product="tea", amount=1)
    saved(session, line)
    line.product = "cake"
    session.commit()

    assert shown(events.all("order_line.updated")) == [
        ("order_line.updated", '[7,"tea"]', {"product": {"old": "tea", "new": "cake"}})
    ]


def test_collection_is_logged_as_ids(session: Session, events: CapturedEvents) -> None:
    red, blue = Tag(name="red"), Tag(name="blue")
    order = Order(tags=[red])
    saved(session, order, blue)
    order.tags.remove(red)
    order.tags.append(blue)
    session.commit()

    assert changes_of(events.one("order.created"))["tags.added"] == {"new": [1]}
    assert changes_of(events.one("order.updated")) == {"tags.added": {"new": [2]}, "tags.removed": {"old": [1]}}


def test_unloaded_collection_is_not_loaded(session: Session, engine: Engine, events: CapturedEvents) -> None:
    tag, order = Tag(name="red"), Order()
    saved(session, tag, order)
    session.refresh(tag)
    session.refresh(order, ["id", "total"])
    sent = statements_of(engine)
    tag.orders.append(order)
    session.commit()

    assert changes_of(events.one("tag.updated")) == {"orders.added": {"new": [1]}}
    assert [statement.split()[0] for statement in sent] == [
        "SELECT",
        "INSERT",
    ]  # the collection that the test asked for


def test_reference_written_after_the_row(session: Session, events: CapturedEvents) -> None:
    one, other = Node(), Node()
    saved(session, one, other)
    session.refresh(one)
    one.best = other
    session.commit()

    assert changes_of(events.one("node.updated", entity_id="1")) == {"best_id": {"old": None, "new": 2}}


def test_deferred_column_is_not_read(session: Session, engine: Engine, events: CapturedEvents) -> None:
    saved(session, Order(note="n" * 10))
    session.expunge_all()
    order = session.get_one(Order, 1)
    sent = statements_of(engine)
    session.delete(order)
    session.commit()

    assert "note" not in changes_of(events.one("order.deleted"))
    assert [statement for statement in sent if "orders.note" in statement] == []


def test_large_and_binary_values_are_digests(session: Session, events: CapturedEvents) -> None:
    saved(session, Order(picture=b"\xff" * 9_000, note="x" * 5_000))

    changes = changes_of(events.one("order.created"))
    assert changes["picture"] == {"new": {"bytes": 9_000, "sha256": hashlib.sha256(b"\xff" * 9_000).hexdigest()}}
    digest = hashlib.sha256(b"x" * 5_000).hexdigest()
    assert changes["note"] == {"new": {"characters": 5_000, "begin": "x" * 64, "sha256": digest}}


def test_row_replaced_in_one_flush(session: Session, events: CapturedEvents) -> None:
    old = Tag(id=1, name="red")
    saved(session, old)
    session.refresh(old)
    session.delete(old)
    session.add(Tag(id=1, name="blue"))
    session.commit()

    assert [(each.event_type, changes_of(each)["name"]) for each in events][1:] == [
        ("tag.deleted", {"old": "red"}),
        ("tag.created", {"new": "blue"}),
    ]


def test_masked_value_never_appears(session: Session, events: CapturedEvents) -> None:
    customer = Customer(name="Ada", iban="CANARY1", password="CANARY2", search="CANARY3")
    saved(session, customer)
    customer.iban = "CANARY4"
    session.commit()
    session.delete(customer)
    session.commit()

    assert changes_of(events.one("customer.updated")) == {"iban": {"old": "[masked]", "new": "[masked]"}}
    assert "CANARY" not in "".join(str(shown([each])) for each in events)


def test_user_of_the_flush_is_logged(session: Session, events: CapturedEvents) -> None:
    with audit_context(user_id="ada", reason="ticket 1", ip_address="192.0.2.1"):
        session.add(Tag(name="red"))
        session.flush()
    with audit_context(user_id="eve"):
        session.add(Tag(name="blue"))
        session.commit()

    first, second = events
    assert (first.user_id, first.reason, first.ip_address) == ("ada", "ticket 1", "192.0.2.1")
    assert second.user_id == "eve"


def test_no_user_is_anonymous(session: Session, events: CapturedEvents) -> None:
    saved(session, Tag(name="red"))

    events.one("tag.created", user_id="anonymous", actor_type="anonymous")


def test_history_is_left_as_it_was(session: Session, engine: Engine, events: CapturedEvents) -> None:
    saved(session, Customer(name="Ada", orders=[Order()]))
    session.expunge_all()
    options = selectinload(Customer.orders).options(defer(Order.total))
    customer = session.get_one(Customer, 1, options=[options])
    customer.name = "Eve"
    session.flush()

    assert "total" in inspect(customer.orders[0]).unloaded
    assert not session.dirty

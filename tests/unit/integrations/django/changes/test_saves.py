from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Complaint, Customer, Device, Employee, GoodCustomer, Ignored, Order, Seat
from tests.support.django_shop.site import rolled_back


def test_create_shows_each_new_value(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada", balance="9.9", born="1815-12-10", iban="DE02", api_token="t0p")

    event = events.one("customer.created", entity="customer", entity_id=made.pk, action="create", outcome="success")
    assert len(events) == 1
    assert {name: change.new for name, change in event.changes.items()} == {
        "name": "Ada",
        "iban": "[masked]",
        "api_token": "[scrubbed]",
        "balance": "9.90",
        "visits": 0,
        "active": True,
        "born": "1815-12-10",
        "data": {},
        "text": "",
        "contract": "",
    }


def test_update_shows_only_what_changed(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada", iban="DE02")
    events.clear()

    made.name, made.iban, made.balance, made.search = "Eve", "DE03", "0.00", "not audited"
    made.save()

    event = events.one("customer.updated", entity_id=made.pk)
    assert {name: (change.old, change.new) for name, change in event.changes.items()} == {
        "name": ("Ada", "Eve"),
        "iban": ("[masked]", "[masked]"),
    }


def test_save_without_change_logs_nothing(events: CapturedEvents) -> None:
    values = {"balance": 1.5, "born": "2000-01-01", "seen": datetime(2000, 1, 1), "data": {"a": (1, 2)}}  # noqa: DTZ001
    made = Customer(name="Ada", stay=timedelta(days=1), photo=b"x", **values)
    with pytest.warns(RuntimeWarning, match="naive datetime"):
        made.save()
    events.clear()

    Customer.objects.get(pk=made.pk).save()
    with pytest.warns(RuntimeWarning, match="naive datetime"):
        made.save()

    assert list(events) == []


def test_every_kind_of_field_is_shown(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada")
    events.clear()
    made.born, made.seen, made.stay = date(2000, 1, 2), datetime(2000, 1, 2, tzinfo=UTC), timedelta(hours=1)
    made.balance, made.data, made.photo, made.text = Decimal("1.005"), {"a": [1]}, b"\0" * 2_000, "x" * 2_000
    made.contract.save("a.txt", ContentFile(b"text"), save=False)

    made.save()

    shown = {name: change.new for name, change in events.one("customer.updated").changes.items()}
    assert shown.pop("photo")["bytes"] == 2_000
    assert shown.pop("text")["characters"] == 2_000
    assert shown.pop("contract").startswith("contracts/a")
    assert shown == {
        "born": "2000-01-02",
        "seen": "2000-01-02T00:00:00Z",
        "stay": "P0DT01H00M00S",
        "balance": "1.00",
        "data": {"a": [1]},
    }


def test_computed_value_is_read_back(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada", visits=3)

    made.visits = F("visits") + 1
    made.save(update_fields=["visits"])

    change = events.one("customer.updated").changes["visits"]
    assert (change.old, change.new) == (3, 4)


def test_update_fields_bound_what_is_read(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada", visits=3)
    made.name, made.visits = "Eve", 4

    with CaptureQueriesContext(connection) as queries:
        made.save(update_fields=["visits"])

    assert list(events.one("customer.updated").changes) == ["visits"]
    assert len(queries) == 2
    assert "name" not in queries[0]["sql"]


def test_deferred_fields_are_not_loaded(events: CapturedEvents) -> None:
    Customer.objects.create(name="Ada", visits=3)
    found = Customer.objects.only("name").get()
    found.name = "Eve"

    with CaptureQueriesContext(connection) as queries:
        found.save()

    assert list(events.one("customer.updated").changes) == ["name"]
    assert len(queries) == 2


def test_creating_reads_nothing_before(events: CapturedEvents) -> None:
    with CaptureQueriesContext(connection) as queries:
        Customer.objects.create(name="Ada")
        Device.objects.create(name="phone")

    assert len(queries) == 2
    assert [event.event_type for event in events] == ["customer.created", "device.created"]


def test_chosen_key_may_be_an_update(events: CapturedEvents) -> None:
    customer = Customer.objects.create(name="Ada")
    Order(number="A1", customer=customer).save()
    events.clear()

    Order(number="A1", customer=customer, state="paid").save()

    change = events.one("order.updated", entity_id="A1").changes
    assert {name: (each.old, each.new) for name, each in change.items()} == {"state": ("new", "paid")}


def test_foreign_key_is_shown_by_id(events: CapturedEvents) -> None:
    ada, eve = Customer.objects.create(name="Ada"), Customer.objects.create(name="Eve")
    eve.advisor = ada

    eve.save()

    change = events.one("customer.updated").changes["advisor_id"]
    assert (change.old, change.new) == (None, ada.pk)


def test_uuid_given_as_text_is_found(events: CapturedEvents) -> None:
    made = Device.objects.create(name="phone")
    events.clear()

    Device(id=str(made.pk), name="watch").save(force_update=True)

    assert events.one("device.updated", entity_id=made.pk).changes["name"].old == "phone"


def test_composite_key_is_an_array(events: CapturedEvents) -> None:
    seat = Seat.objects.create(room=1, place=2)
    seat.guest = "Ada"
    seat.save()
    Seat.objects.filter(room=1).update(guest="Eve")

    assert [event.event_type for event in events] == ["seat.created", "seat.updated", "seat.updated"]
    assert {event.entity_id for event in events} == {"[1,2]"}


def test_proxy_is_the_same_thing(events: CapturedEvents) -> None:
    made = GoodCustomer.objects.create(name="Ada")
    made.name = "Eve"
    made.save()
    made.delete()

    assert [event.event_type for event in events] == ["customer.created", "customer.updated", "customer.deleted"]


def test_child_shows_columns_of_its_parent(events: CapturedEvents) -> None:
    made = Employee.objects.create(name="Ada", salary=1)
    made.name, made.salary = "Eve", 2
    made.save()

    assert [event.event_type for event in events] == ["employee.created", "employee.updated"]
    changes = events[1].changes
    assert {name: (change.old, change.new) for name, change in changes.items()} == {
        "name": ("Ada", "Eve"),
        "salary": (1, 2),
    }


def test_rolled_back_save_logs_nothing(events: CapturedEvents) -> None:
    with rolled_back():
        Customer.objects.create(name="Ada")
    with transaction.atomic():
        Customer.objects.create(name="Eve")
        with rolled_back():
            Customer.objects.create(name="Mallory")
        assert list(events) == []

    assert [event.changes["name"].new for event in events] == ["Eve"]


def test_failed_save_leaves_nothing_behind(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada")
    events.clear()
    made.name, made.balance = "Eve", None
    with pytest.raises(IntegrityError):
        made.save()

    made.balance = Decimal(0)
    made.save()

    assert {name: change.old for name, change in events.one().changes.items()} == {"name": "Ada"}


def test_unaudited_model_costs_no_query(events: CapturedEvents) -> None:
    made = Ignored.objects.create(name="a")
    with CaptureQueriesContext(connection) as queries:
        made.save()

    assert len(queries) == 1
    assert list(events) == []


def test_automatic_time_is_a_change(events: CapturedEvents) -> None:
    made = Complaint.objects.create()
    made.save()

    assert list(events.one("complaint.updated").changes) == ["changed"]


def test_update_or_create_says_which(events: CapturedEvents) -> None:
    for visits in (1, 2):
        Customer.objects.update_or_create(name="Ada", defaults={"visits": visits})

    assert [event.event_type for event in events] == ["customer.created", "customer.updated"]
    assert events[1].changes["visits"].old == 1


def test_other_database_is_named(events: CapturedEvents) -> None:
    made = Device(id=uuid.uuid4(), name="phone")
    made.save(using="archive")

    assert events.one("device.created").payload == {"table": "shop_device", "database": "archive"}

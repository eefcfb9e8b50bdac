from __future__ import annotations

import pytest
from django.db import connection
from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext, override_settings

from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Complaint, Customer, Employee, GoodCustomer, Order, Tag
from tests.support.django_shop.site import TELEMETRY, rolled_back


def _made(count: int, events: CapturedEvents) -> list[Customer]:
    made = Customer.objects.bulk_create([Customer(name=f"c{number}", visits=number) for number in range(count)])
    events.clear()
    return made


def _changes(events: CapturedEvents, name: str) -> list[tuple[object, object]]:
    return [(event.changes[name].old, event.changes[name].new) for event in events]


def test_bulk_create_logs_each_row(events: CapturedEvents) -> None:
    made = Customer.objects.bulk_create(Customer(name=name, iban="DE02") for name in ("Ada", "Eve"))

    assert [event.entity_id for event in events] == [str(customer.pk) for customer in made]
    assert [event.event_type for event in events] == ["customer.created"] * 2
    assert [event.changes["iban"].new for event in events] == ["[masked]"] * 2


def test_update_logs_each_changed_row(events: CapturedEvents) -> None:
    made = _made(3, events)

    count = Customer.objects.filter(visits__gte=1).update(visits=2, search="x")

    assert count == 2
    assert events.one("customer.updated", entity_id=made[1].pk).changes["visits"].old == 1
    assert len(events) == 1


def test_computed_update_is_read_back(events: CapturedEvents) -> None:
    _made(2, events)

    Customer.objects.update(visits=F("visits") * 2 + 1, name=Concat("name", Value("!")))

    assert _changes(events, "visits") == [(0, 1), (1, 3)]
    assert _changes(events, "name") == [("c0", "c0!"), ("c1", "c1!")]


def test_update_by_related_rows_is_followed(events: CapturedEvents) -> None:
    made = _made(2, events)
    Order.objects.create(number="A1", customer=made[0])
    made[0].tags.add(Tag.objects.create(name="vip"))
    events.clear()

    Customer.objects.filter(Q(orders__state="new") | Q(tags__name="vip")).distinct().update(visits=9)
    Customer.objects.annotate(count=Count("orders")).filter(count=0).update(visits=8)
    made[0].orders.update(state="paid")

    assert events.one("order.updated").changes["state"].new == "paid"
    assert {(event.entity_id, event.changes["visits"].new) for event in events.all("customer.updated")} == {
        (str(made[0].pk), 9),
        (str(made[1].pk), 8),
    }


def test_update_takes_an_object_for_a_key(events: CapturedEvents) -> None:
    first, second = _made(2, events)

    Customer.objects.filter(pk=second.pk).update(advisor=first)

    assert _changes(events, "advisor_id") == [(None, first.pk)]


def test_related_manager_is_followed(events: CapturedEvents) -> None:
    first, _ = _made(2, events)
    complaint = Complaint.objects.create()
    events.clear()

    first.complaints.add(complaint)
    first.complaints.clear()

    assert _changes(events, "customer_id") == [(None, first.pk), (first.pk, None)]


@override_settings(TELEMETRY={**TELEMETRY, "bulk_rows": 2})
def test_large_update_is_one_event(events: CapturedEvents) -> None:
    _made(4, events)

    Customer.objects.filter(name__startswith="c", orders=None).update(visits=7, iban="DE02")

    event = events.one("customer.bulk_updated", entity="customer", action="update")
    assert len(events) == 1
    assert event.payload == {
        "table": "shop_customer",
        "rows": 4,
        "criteria": ["name", "order.number"],
        "set": ["iban", "visits"],
    }
    assert "DE02" not in str(event)


@override_settings(TELEMETRY={**TELEMETRY, "bulk_rows": 2})
def test_large_bulk_update_is_one_event(events: CapturedEvents) -> None:
    made = _made(4, events)
    for customer in made:
        customer.visits += 1

    Customer.objects.bulk_update(made, ["visits"], batch_size=1)
    Customer.objects.bulk_create([Customer(name="more") for _ in range(3)])

    assert [event.event_type for event in events] == ["customer.bulk_updated", "customer.bulk_created"]
    assert [event.payload["rows"] for event in events] == [4, 3]


def test_bulk_update_logs_each_row(events: CapturedEvents) -> None:
    made = _made(3, events)
    made[0].name, made[1].name, made[1].visits = "Ada", "Eve", F("visits") + 10

    count = Customer.objects.bulk_update(made, ["name", "visits"], batch_size=2)

    assert count == 3
    assert [event.entity_id for event in events] == [str(made[0].pk), str(made[1].pk)]
    assert _changes(events, "name") == [("c0", "Ada"), ("c1", "Eve")]
    assert events[1].changes["visits"].new == 11


def test_conflicts_leave_the_count_open(events: CapturedEvents) -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(number="A1", customer=customer)
    events.clear()

    Order.objects.bulk_create([Order(number="A1", customer=customer)], ignore_conflicts=True)

    payload = events.one("order.bulk_created").payload
    assert (payload["rows"], payload["offered"], payload["conflicts"]) == (None, 1, "ignored")


def test_proxy_and_child_are_followed(events: CapturedEvents) -> None:
    _made(1, events)
    Employee.objects.create(name="Ada")
    events.clear()

    GoodCustomer.objects.update(visits=5)
    Employee.objects.update(name="Eve", salary=7)

    assert [event.event_type for event in events] == ["customer.updated", "employee.updated"]
    assert (events[1].changes["name"].new, events[1].changes["salary"].new) == ("Eve", 7)


def test_refused_update_stays_refused(events: CapturedEvents) -> None:
    _made(2, events)

    with pytest.raises(TypeError, match="slice"):
        Customer.objects.all()[:1].update(visits=1)

    assert list(events) == []


def test_rolled_back_bulk_writes_log_nothing(events: CapturedEvents) -> None:
    _made(2, events)

    with rolled_back():
        Customer.objects.update(visits=9)
        Customer.objects.bulk_create([Customer(name="Mallory")])

    assert list(events) == []


def test_broken_audit_leaves_the_write_alone(events: CapturedEvents, monkeypatch: pytest.MonkeyPatch) -> None:
    from telemetry.integrations.django.changes import rows  # noqa: PLC0415
    from telemetry.integrations.django.process import process  # noqa: PLC0415

    _made(2, events)

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    for name in ("read_rows", "current_row", "created"):
        monkeypatch.setattr(rows, name, broken)

    assert Customer.objects.update(visits=9) == 2
    Customer.objects.create(name="Eve", visits=9)
    Customer.objects.filter(name="Eve").delete()

    assert Customer.objects.filter(visits=9).count() == 2
    assert process.recorder.failures >= 3
    assert events.one("customer.bulk_updated").payload["rows"] == 2


def test_update_without_audited_columns_reads_nothing(events: CapturedEvents) -> None:
    _made(2, events)

    with CaptureQueriesContext(connection) as queries:
        Customer.objects.update(search="x")

    assert len(queries) == 1
    assert list(events) == []


def test_own_queryset_is_followed(events: CapturedEvents) -> None:
    class Shoppers(QuerySet[Customer]):
        def retire(self) -> int:
            return self.update(active=False)

    _made(1, events)

    Shoppers(Customer).filter(active=True).retire()

    assert _changes(events, "active") == [(True, False)]

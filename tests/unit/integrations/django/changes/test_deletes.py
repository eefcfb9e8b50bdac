from __future__ import annotations

from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Complaint, Customer, Employee, Line, Order, Person
from tests.support.django_shop.site import TELEMETRY, rolled_back


def _types(events: CapturedEvents) -> list[str]:
    return sorted(event.event_type for event in events)


def test_delete_shows_the_row_as_stored(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada", iban="DE02")
    events.clear()
    made.name = "never saved"
    key = made.pk

    made.delete()

    event = events.one("customer.deleted", entity_id=key, action="delete")
    assert event.changes["name"].old == "Ada"
    assert event.changes["iban"].old == "[masked]"


def test_delete_logs_all_that_it_cascades_to(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="A1", customer=made)
    Line.objects.bulk_create([Line(order=order), Line(order=order)])
    complaint = Complaint.objects.create(customer=made)
    follower = Customer.objects.create(name="Eve", advisor=made)
    events.clear()

    made.delete()

    assert _types(events) == [
        "complaint.updated",
        "customer.deleted",
        "customer.updated",
        "order.deleted",
        "position.deleted",
        "position.deleted",
    ]
    assert events.one("complaint.updated", entity_id=complaint.pk).changes["customer_id"].new is None
    assert events.one("customer.updated", entity_id=follower.pk).changes["advisor_id"].new is None


def test_fast_delete_stays_one_statement(events: CapturedEvents) -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.bulk_create([Order(number=str(number), customer=customer) for number in range(3)])
    Line.objects.bulk_create([Line(order_id="1", amount=number) for number in range(3)])
    events.clear()

    with CaptureQueriesContext(connection) as queries:
        Line.objects.filter(amount__lt=2).delete()

    assert _types(events) == ["position.deleted", "position.deleted"]
    assert sum(query["sql"].startswith("DELETE") for query in queries) == 1
    assert sum(query["sql"].startswith("SELECT") for query in queries) == 1


@override_settings(TELEMETRY={**TELEMETRY, "bulk_rows": 3})
def test_large_delete_is_one_event(events: CapturedEvents) -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(number="1", customer=customer)
    Line.objects.bulk_create([Line(order_id="1", amount=number) for number in range(9)])
    events.clear()

    Line.objects.filter(amount__lt=5, order__state="new").delete()
    Customer.objects.all().delete()

    several = events.all("position.bulk_deleted")
    assert [event.payload["rows"] for event in several] == [5, 4]
    assert several[0].payload["criteria"] == ["amount", "order.state"]
    assert several[0].entity_id is None
    assert _types(events)[:2] == ["customer.deleted", "order.deleted"]


def test_raw_delete_is_logged(events: CapturedEvents) -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(number="1", customer=customer)
    events.clear()

    Order.objects.all()._raw_delete("default")

    assert events.one("order.deleted", entity_id="1").changes["state"].old == "new"


def test_child_and_parent_are_one_thing(events: CapturedEvents) -> None:
    made = Employee.objects.create(name="Ada", salary=1)
    Person.objects.create(name="Eve")
    events.clear()

    made.delete()
    Person.objects.all().delete()

    assert _types(events) == ["employee.deleted", "person.deleted"]
    assert events[0].changes["name"].old == "Ada"


def test_parent_takes_its_child_along(events: CapturedEvents) -> None:
    Employee.objects.create(name="Ada", salary=1)
    events.clear()

    Person.objects.all().delete()

    assert _types(events) == ["employee.deleted"]


def test_rolled_back_delete_logs_nothing(events: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada")
    events.clear()

    with rolled_back():
        made.delete()

    assert list(events) == []


def test_deleted_group_takes_its_rights_along(events: CapturedEvents) -> None:
    staff = Group.objects.create(name="staff")
    user = User.objects.create(username="ada")
    user.groups.add(staff)
    key = staff.pk
    events.clear()

    staff.delete()

    assert _types(events) == ["group.deleted", "user.updated"]
    assert events.one("user.updated", entity_id=user.pk).changes["groups.removed"].old == [key]


def test_deleted_user_needs_no_event_of_its_groups(events: CapturedEvents) -> None:
    user = User.objects.create(username="ada")
    user.groups.add(Group.objects.create(name="staff"))
    events.clear()

    user.delete()

    assert _types(events) == ["user.deleted"]

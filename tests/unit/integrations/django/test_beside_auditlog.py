"""Compares the events with the entries of django-auditlog on the same models, and shows what that does not see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Complaint, Customer, Employee, Line, Order, Tag

_ACTIONS = {"create": LogEntry.Action.CREATE, "update": LogEntry.Action.UPDATE, "delete": LogEntry.Action.DELETE}
_AUTOMATIC = {"changed"}
_KEYS = {"id", "number", "person_ptr"}
_REVERSE = {"orders", "complaints", "lines"}
"""Rows of other models, which it lists as if they were fields."""


@pytest.fixture
def both(events: CapturedEvents) -> Iterator[CapturedEvents]:
    models = (Customer, Order, Line, Complaint, Employee)
    for model in models:
        fields = {"exclude_fields": ["search", "upper"], "m2m_fields": {"tags"}} if model is Customer else {}
        auditlog.register(model, **fields)
    yield events
    for model in models:
        auditlog.unregister(model)


def _names(changes: dict[str, Any], keys: set[str]) -> tuple[str, ...]:
    """Return what changed, by names that both know: one names a relation, the other its column, and only one repeats the key."""
    plain = {name.removesuffix("_id").partition(".")[0] for name in changes}
    return tuple(sorted(plain - keys - _AUTOMATIC))


def _ours(events: CapturedEvents) -> list[tuple[int, str, tuple[str, ...]]]:
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for event in events:
        if event.entity in ("customer", "order", "position", "complaint", "employee"):
            assert event.action is not None
            names = _names(dict(event.changes), set())
            if names:
                found.append((_ACTIONS[event.action], event.entity_id or "", names))
    return sorted(found)


def _theirs() -> list[tuple[int, str, tuple[str, ...]]]:
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for entry in LogEntry.objects.all():
        assert isinstance(entry.changes, dict)
        nothing = {name for name, change in entry.changes.items() if "None" in change and set(change) <= {"None", None}}
        names = _names(entry.changes, {*_KEYS, *_REVERSE, *nothing})
        if names:
            found.append((entry.action, entry.object_pk, names))
    return sorted(found)


def _forget(events: CapturedEvents) -> None:
    events.clear()
    LogEntry.objects.all().delete()


def test_both_agree_on_single_writes(both: CapturedEvents) -> None:
    ada = Customer.objects.create(name="Ada", iban="DE02")
    eve = Customer.objects.create(name="Eve", advisor=ada)
    order = Order.objects.create(number="A1", customer=ada)
    Line.objects.create(order=order)
    complaint = Complaint.objects.create(customer=eve)
    worker = Employee.objects.create(name="Bob", salary=1)
    ada.refresh_from_db()  # to it, 0 and 0.00 differ
    ada.name, ada.visits = "Ada L.", 3
    ada.save(update_fields=["name"])
    ada.save()
    eve.balance = "1.50"
    eve.save()
    complaint.customer = ada
    complaint.save()
    worker.name, worker.salary = "Rob", 2
    worker.save()
    Customer.objects.update_or_create(name="Eve", defaults={"visits": 5})

    assert _ours(both) == _theirs()
    assert len(_theirs()) == 12


def test_both_agree_on_deletes(both: CapturedEvents) -> None:
    ada = Customer.objects.create(name="Ada")
    order = Order.objects.create(number="A1", customer=ada)
    Line.objects.create(order=order)
    Line.objects.create(order=order)
    Customer.objects.create(name="Eve")
    _forget(both)

    ada.delete()
    Customer.objects.filter(name="Eve").delete()

    assert _ours(both) == _theirs()
    assert len(_theirs()) == 5


def test_both_agree_on_members(both: CapturedEvents) -> None:
    ada = Customer.objects.create(name="Ada")
    tags = [Tag.objects.create(name=name) for name in "abc"]
    _forget(both)

    ada.tags.add(tags[0], tags[1])
    ada.tags.remove(tags[0])
    ada.tags.set([tags[2]])

    assert _ours(both) == _theirs()


def test_both_agree_on_the_admin(both: CapturedEvents) -> None:
    root = User.objects.create_superuser("root", password="very secret 1")
    eve = Customer.objects.create(name="Eve")
    client = Client()
    client.force_login(root)
    _forget(both)
    orders = {"orders-TOTAL_FORMS": "1", "orders-INITIAL_FORMS": "0"}
    order = {"orders-0-number": "A1", "orders-0-state": "new"}
    tag = Tag.objects.create(name="vip")

    form = {"name": "Ada", "iban": "DE02", "visits": "0", "tags": [tag.pk], **orders, **order}
    made = client.post(reverse("admin:shop_customer_add"), form)
    changed = client.post(
        reverse("admin:shop_customer_change", args=[eve.pk]),
        {"name": "Eva", "iban": "", "visits": "4", "tags": [tag.pk], **orders, "orders-TOTAL_FORMS": "0"},
    )
    action = {"action": "delete_selected", "_selected_action": [eve.pk], "post": "yes"}
    deleted = client.post(reverse("admin:shop_customer_changelist"), action)

    assert {made.status_code, changed.status_code, deleted.status_code} == {302}
    assert _ours(both) == _theirs()
    assert {event.user_id for event in both} == {str(root.pk)}
    assert {event.payload["route"] for event in both.all("http.request")} == {
        "/admin/shop/customer/add/",
        "/admin/shop/customer/<path:object_id>/change/",
        "/admin/shop/customer/",
    }


def test_bulk_writes_are_ours_alone(both: CapturedEvents) -> None:
    made = Customer.objects.bulk_create([Customer(name="Ada"), Customer(name="Eve")])
    Customer.objects.update(visits=1)
    for customer in made:
        customer.visits = 2
    Customer.objects.bulk_update(made, ["visits"])
    made[0].tags.add(Tag.objects.create(name="vip"))
    Tag.objects.all().delete()
    LogEntry.objects.all().delete()
    Customer.objects.all()._raw_delete("default")

    assert _theirs() == []
    assert [event.event_type for event in both.all(entity="customer")] == [
        *("customer.created", "customer.created", "customer.updated", "customer.updated", "customer.updated"),
        *("customer.updated", "customer.updated", "customer.updated", "customer.deleted", "customer.deleted"),
    ]

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import override_settings

from telemetry.context import audit_context
from telemetry.integrations.django.outbox.models import OutboxRow
from telemetry.integrations.django.process import process
from telemetry.integrations.django.settings import load_settings
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Customer, Employee, Tag
from tests.support.django_shop.site import TELEMETRY, rolled_back


@pytest.fixture
def outbox(events: CapturedEvents) -> Iterator[CapturedEvents]:
    with override_settings(TELEMETRY={**TELEMETRY, "delivery": "transactional"}):
        process.reset()
        yield events


def _relayed(events: CapturedEvents) -> list[str]:
    """Relay all rows, and return the types of their events."""
    events.clear()
    audit = process.recorder.telemetry.audit
    for row in OutboxRow.objects.order_by("id"):
        audit.relay(bytes(row.data)).wait_delivered(60)
    return [event.event_type for event in events]


def test_each_change_is_a_row_of_its_transaction(outbox: CapturedEvents) -> None:
    with audit_context(user_id="ada"):
        made = Customer.objects.create(name="Ada")
        made.name = "Eve"
        made.save()
        made.tags.add(Tag.objects.create(name="vip"))
        Customer.objects.update(visits=3)
        Customer.objects.bulk_create([Customer(name="Bob")])
        Employee.objects.create(name="Eva")
        Customer.objects.bulk_update(Customer.objects.all(), ["visits"])
        made.delete()
    assert list(outbox) == []

    assert _relayed(outbox) == [
        *("customer.created", "customer.updated", "customer.updated", "customer.updated", "customer.created"),
        *("employee.created", "customer.deleted"),
    ]
    assert {event.user_id for event in outbox} == {"ada"}


def test_secrets_are_scrubbed_in_the_row_too(outbox: CapturedEvents) -> None:
    Customer.objects.create(name="paid with 4111 1111 1111 1111", iban="DE02", api_token="t0p")

    assert _relayed(outbox) == ["customer.created"]
    shown = {name: change.new for name, change in outbox[0].changes.items()}
    assert (shown["iban"], shown["api_token"]) == ("[masked]", "[scrubbed]")
    assert "4111" not in shown["name"]


def test_rolled_back_change_leaves_no_row(outbox: CapturedEvents) -> None:
    with rolled_back():
        Customer.objects.create(name="Mallory")
    with transaction.atomic():
        Customer.objects.create(name="Ada")
        with rolled_back():
            Customer.objects.update(visits=3)

    assert _relayed(outbox) == ["customer.created"]


def test_change_fails_with_its_event(outbox: CapturedEvents) -> None:
    made = Customer.objects.create(name="Ada")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE telemetry_outbox RENAME TO elsewhere")
    try:
        made.name = "Eve"
        with pytest.raises(DatabaseError):
            made.save()
        with pytest.raises(DatabaseError):
            Customer.objects.update(name="Eve")
        with pytest.raises(DatabaseError):
            made.delete()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO telemetry_outbox")

    assert Customer.objects.get().name == "Ada"


def test_login_does_not_wait_for_a_relay(outbox: CapturedEvents) -> None:
    user = User.objects.create_user("ada", password="very secret 1")
    user.groups.add(Group.objects.create(name="staff"))
    outbox.clear()

    Client().post("/login/", {"username": "ada", "password": "very secret 1"})

    assert [event.event_type for event in outbox] == ["user.login", "http.request"]


def test_transactional_delivery_needs_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.INSTALLED_APPS", ["telemetry.integrations.django"])
    monkeypatch.setattr("django.conf.settings.TELEMETRY", {"delivery": "transactional"})

    with pytest.raises(ImproperlyConfigured, match="outbox"):
        load_settings()


def test_unknown_delivery_is_refused() -> None:
    with (
        override_settings(TELEMETRY={"delivery": "sometimes"}),
        pytest.raises(ImproperlyConfigured, match="on_commit"),
    ):
        load_settings()

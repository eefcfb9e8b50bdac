from __future__ import annotations

import json
from pathlib import Path

from django.core.management import call_command

from telemetry.context import audit_context
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Customer


def test_command_is_named_as_the_source(events: CapturedEvents) -> None:
    call_command("createsuperuser", username="root", email="root@example.com", interactive=False, verbosity=0)

    event = events.one("user.created", source="manage.py createsuperuser")
    assert (event.user_id, event.actor_type) == ("system", "system")


def test_command_acts_for_who_calls_it(events: CapturedEvents) -> None:
    with audit_context(user_id="ada"):
        call_command("createsuperuser", username="root", email="root@example.com", interactive=False, verbosity=0)

    events.one("user.created", source="manage.py createsuperuser", user_id="ada")


def test_fixtures_are_audited(events: CapturedEvents, tmp_path: Path) -> None:
    made = Customer.objects.create(name="Ada")
    rows = [
        {"model": "shop.customer", "pk": made.pk, "fields": {"name": "Eve"}},
        {"model": "shop.person", "pk": 5, "fields": {"name": "Bob"}},
        {"model": "shop.employee", "pk": 5, "fields": {"salary": 7}},
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    events.clear()

    call_command("loaddata", str(tmp_path / "rows.json"), verbosity=0)

    assert [event.event_type for event in events] == ["customer.updated", "person.created", "employee.created"]
    assert events[0].changes["name"].old == "Ada"
    assert events[0].source == "manage.py loaddata"

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test.utils import override_settings

from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.django_shop.models import Customer, Tag
from tests.support.django_shop.site import TELEMETRY, rolled_back


def _shown(events: CapturedEvents) -> list[tuple[str, dict[str, object]]]:
    return [
        (
            event.entity_id or "",
            {name: change.new if name.endswith("added") else change.old for name, change in event.changes.items()},
        )
        for event in events
    ]


@pytest.fixture
def tags(events: CapturedEvents) -> list[Tag]:
    return [Tag.objects.create(name=name) for name in "abc"]


def test_only_new_members_are_added(events: CapturedEvents, tags: list[Tag]) -> None:
    customer = Customer.objects.create(name="Ada")
    events.clear()

    customer.tags.add(tags[0])
    customer.tags.add(tags[0], tags[1])
    customer.tags.add(tags[1])

    key = str(customer.pk)
    assert _shown(events) == [(key, {"tags.added": [tags[0].pk]}), (key, {"tags.added": [tags[1].pk]})]
    assert events[0].event_type == "customer.updated"
    assert events[0].payload == {"table": "shop_customer", "relation": "tags", "operation": "add"}


def test_only_members_are_removed(events: CapturedEvents, tags: list[Tag]) -> None:
    customer = Customer.objects.create(name="Ada")
    customer.tags.set(tags[:2])
    events.clear()

    customer.tags.remove(tags[1], tags[2])
    customer.tags.clear()
    customer.tags.clear()

    key = str(customer.pk)
    assert _shown(events) == [(key, {"tags.removed": [tags[1].pk]}), (key, {"tags.removed": [tags[0].pk]})]


def test_set_says_what_came_and_went(events: CapturedEvents, tags: list[Tag]) -> None:
    customer = Customer.objects.create(name="Ada")
    customer.tags.set(tags[:2])
    events.clear()

    customer.tags.set(tags[1:])

    assert [shown for _, shown in _shown(events)] == [{"tags.removed": [tags[0].pk]}, {"tags.added": [tags[2].pk]}]


def test_reverse_side_logs_the_owner(events: CapturedEvents, tags: list[Tag]) -> None:
    ada, eve = Customer.objects.create(name="Ada"), Customer.objects.create(name="Eve")
    events.clear()

    tags[0].customers.add(ada, eve)
    tags[0].customers.remove(eve)
    tags[0].customers.clear()

    added = {"tags.added": [tags[0].pk]}
    removed = {"tags.removed": [tags[0].pk]}
    assert sorted(_shown(events)[:2]) == [(str(ada.pk), added), (str(eve.pk), added)]
    assert _shown(events)[2:] == [(str(eve.pk), removed), (str(ada.pk), removed)]


@override_settings(TELEMETRY={**TELEMETRY, "bulk_rows": 2})
def test_very_many_members_are_one_event(events: CapturedEvents, tags: list[Tag]) -> None:
    customer = Customer.objects.create(name="Ada")
    events.clear()

    customer.tags.set(tags)
    customer.tags.clear()

    assert [event.event_type for event in events] == ["customer.bulk_updated"] * 2
    assert [(event.payload["rows"], event.payload["members"]) for event in events] == [(3, "added"), (3, "removed")]


def test_rights_of_users_and_groups_are_logged(events: CapturedEvents) -> None:
    user, group = User.objects.create(username="ada"), Group.objects.create(name="staff")
    right = Permission.objects.all()[0]
    events.clear()

    user.groups.add(group)
    user.user_permissions.add(right)
    group.permissions.add(right)

    assert [(event.event_type, list(event.changes)) for event in events] == [
        ("user.updated", ["groups.added"]),
        ("user.updated", ["user_permissions.added"]),
        ("group.updated", ["permissions.added"]),
    ]


def test_rolled_back_members_log_nothing(events: CapturedEvents, tags: list[Tag]) -> None:
    customer = Customer.objects.create(name="Ada")
    events.clear()

    with rolled_back():
        customer.tags.add(tags[0])

    assert list(events) == []

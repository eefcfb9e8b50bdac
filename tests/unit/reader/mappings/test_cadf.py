"""A CADF record says when it happened, what was done, and is unknown only where nothing is known."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.format.value.members import Change, Target
from telemetry.reader.mappings import cadf_by_rules, to_cadf
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import parse_rules
from tests.support.some_events import opened


@pytest.mark.parametrize(
    ("event_type", "action"),
    [
        ("user_login", "authenticate/login"),
        ("user.session.end", "authenticate"),
        ("UpdateLoginProfile", "update"),
        ("webhook.disable", "disable"),
        ("vm.started", "start"),
        ("GetObject", "read"),
        ("ip_allow_list.disable", "disable"),
        ("GenerateAccessToken", "unknown"),
        ("ConsoleLogin", "unknown"),
    ],
)
def test_action_of_a_type(event_type: str, action: str) -> None:
    assert to_cadf(opened(event_type=event_type))["action"] == action


@pytest.mark.parametrize(
    ("class_uid", "activity_id", "action"),
    [(3001, 3, "update"), (3004, 9, "disable"), (3006, 5, "delete"), (6002, 3, "start"), (4001, 1, "read")],
)
def test_rule_says_the_action(class_uid: int, activity_id: int, action: str) -> None:
    text = f'[[rule]]\ntype = "*"\nclass_uid = {class_uid}\nactivity_id = {activity_id}\n'

    record = cadf_by_rules(parse_rules(text, name="rules.toml")).record(opened(event_type="GetObject"))

    assert record["action"] == action


def test_every_action_is_an_activity_of_its_class() -> None:
    from telemetry.reader.mappings.cadf_actions import _ACTIONS  # noqa: PLC0415 - only this test looks inside

    for class_uid, actions in _ACTIONS.items():
        assert set(map(str, actions)) <= set(published().classes[class_uid].attributes["activity_id"].enum)


def test_time_and_its_reporter() -> None:
    record = to_cadf(opened(occurred_at="2021-03-04T05:06:07Z"))

    assert record["eventTime"] == "2021-03-04T05:06:07+00:00"
    (step,) = record["reporterchain"]
    assert step["reporterTime"] == "2026-01-31T12:00:00.123456+00:00"
    assert step["reporter"]["name"] == "shop"
    assert "reporterchain" not in to_cadf(opened())


def test_context_is_attached() -> None:
    fields: dict[str, Any] = {
        "targets": (Target("invoice", "8"),),
        "reason": "ticket 4711",
        "changes": {"total": Change(1, 2)},
        "adjusted": ("reason",),
        "tenant_id": "acme & co",
        "actor_type": "service",
    }
    record = to_cadf(opened(**fields))

    attached = {each["name"]: each["content"] for each in record["attachments"]}
    assert attached["targets"] == [{"entity": "invoice", "entity_id": "8"}]
    assert attached["changes"] == {"total": {"old": 1, "new": 2}}
    assert (attached["reason"], attached["adjusted"]) == ("ticket 4711", ["reason"])
    assert "tenant_id?value=acme%20%26%20co" in record["tags"]
    assert record["initiator"]["typeURI"] == "service"
    assert record["target"] == {"id": "8", "typeURI": "data/invoice", "name": "8"}

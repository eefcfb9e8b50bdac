"""A document of ECS uses the words that ECS allows, and keeps everything that has no place there."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from telemetry.reader.mappings import ecs_by_rules, row_of, to_ecs
from telemetry.reader.mappings.ecs import _KINDS, ECS
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import parse_rules
from tests.support.some_events import CONTEXT, FULL, VARIETY, opened

# Elastic Common Schema 8.17, event.category with its expected event types (elastic.co, "Categorization fields").
EXPECTED_TYPES = {
    "api": {"access", "admin", "allowed", "change", "creation", "deletion", "denied", "end", "info", "start", "user"},
    "authentication": {"start", "end", "info"},
    "configuration": {"access", "change", "creation", "deletion", "info"},
    "database": {"access", "change", "info", "error"},
    "file": {"access", "change", "creation", "deletion", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
    "package": {"access", "change", "deletion", "info", "installation", "start"},
    "process": {"access", "change", "end", "info", "start"},
    "web": {"access", "error", "info"},
}


@pytest.mark.parametrize("fields", VARIETY, ids=range(len(VARIETY)))
def test_document_uses_allowed_words(fields: dict[str, Any]) -> None:
    document = to_ecs(opened(**fields))

    event = document["event"]
    (category,) = event.get("category", [None])
    assert event["outcome"] in {"success", "failure", "unknown"}
    assert set(event["type"]) <= (EXPECTED_TYPES[category] if category else {"info"})
    assert document["telemetry"]["kafka"] == {"topic": "audit-events", "partition": 2, "offset": 41}
    assert isinstance(document["telemetry"].get("payload", {}), dict)
    msgspec.json.encode(document)
    assert len(row_of(document, ECS.columns)) == len(ECS.columns)


def test_every_kind_is_an_activity_of_its_class() -> None:
    for class_uid, kinds in _KINDS.items():
        assert set(map(str, kinds)) <= set(published().classes[class_uid].attributes["activity_id"].enum)
        for kind in kinds.values():
            assert kind.category is not None
            assert set(kind.types) <= EXPECTED_TYPES[kind.category]


def test_login_of_a_user() -> None:
    document = to_ecs(opened(event_type="user_login", outcome="failure", ip_address="10.1.2.3", session_id="s"))

    assert (document["event"]["category"], document["event"]["type"]) == (["authentication"], ["start"])
    assert document["event"]["outcome"] == "failure"
    assert document["source"] == {"address": "10.1.2.3", "ip": "10.1.2.3"}
    assert document["related"] == {"user": ["user-1"], "ip": ["10.1.2.3"]}
    assert document["telemetry"]["session_id"] == "s"


def test_actor_on_the_account_of_another() -> None:
    document = to_ecs(opened(**FULL))

    assert document["user"] == {"id": "admin-1", "target": {"id": "user-1"}}
    assert document["event"]["type"] == ["change", "denied"]
    assert document["telemetry"]["outcome"] == "denied"
    assert document["event"]["outcome"] == "failure"


def test_context_has_its_places() -> None:
    document = to_ecs(opened(**{**FULL, **CONTEXT}))

    assert document["@timestamp"] == "2021-03-04T05:06:07.123456789Z"
    assert document["event"]["created"] == "2026-01-31T12:00:00.123456Z"
    assert document["organization"] == {"id": "acme"}
    assert document["telemetry"]["changes"]["total"] == {"old": 1, "new": 2}
    assert (document["telemetry"]["sealed"], document["telemetry"]["proven"]) == (True, "not judged")


def test_address_that_is_none_and_scalar_payload() -> None:
    document = to_ecs(opened(ip_address="fe80::1%eth0", payload=[1]))
    assert document["source"] == {"address": "fe80::1%eth0", "ip": "fe80::1"}
    assert document["telemetry"]["payload"] == {"value": [1]}
    assert "ip" not in to_ecs(opened(ip_address="10.1.2.3:443"))["source"]


def test_rule_says_the_category() -> None:
    text = '[[rule]]\ntype = "order*"\nclass_uid = 3006\nactivity_id = 6\n'
    document = ecs_by_rules(parse_rules(text, name="rules.toml")).record(opened())

    assert (document["event"]["category"], document["event"]["type"]) == (["iam"], ["group", "creation"])

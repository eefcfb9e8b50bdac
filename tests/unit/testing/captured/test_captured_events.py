"""Captured events are found by what ``log()`` was given, and an error says what was logged instead."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import ANY

import pytest

from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents, capture_events
from telemetry.types import AuditConfig

CONFIG = AuditConfig(kafka_brokers="nowhere.invalid:9093", encryption_enabled=False, fallback_enabled=False)


@dataclasses.dataclass
class Money:
    amount: Decimal
    currency: str


@pytest.fixture
def captured() -> Iterator[CapturedEvents]:
    with capture_events() as events:
        yield events


@pytest.fixture
def telemetry(captured: CapturedEvents) -> Iterator[Telemetry]:
    with Telemetry(CONFIG) as telemetry:
        yield telemetry


def test_events_are_iterated_in_order(captured: CapturedEvents, telemetry: Telemetry) -> None:
    for number in range(3):
        telemetry.audit.log(f"step.{number}", {}, "ada")

    assert [event.event_type for event in captured] == ["step.0", "step.1", "step.2"]
    assert (len(captured), captured[-1].event_type, captured.dropped) == (3, "step.2", 0)
    assert repr(captured) == "<CapturedEvents: 3>"


GIVEN: dict[str, Any] = {
    "session_id": 17,
    "actor_id": uuid.UUID(int=3),
    "actor_type": "service",
    "tenant_id": "t-1",
    "targets": [("order", 7), {"entity": "user", "entity_id": "ada"}],
    "outcome": "denied",
    "reason": "x" * 5_000,
    "changes": {"email": ("old", "new"), "phone": {"new": "1"}},
    "ip_address": "10.0.0.1",
    "occurred_at": datetime(2026, 1, 31, 12, tzinfo=UTC),
    "idempotency_key": "key-1",
    "sensitive": True,
}


@pytest.mark.parametrize("name", GIVEN)
def test_member_is_expected_as_it_was_given(captured: CapturedEvents, telemetry: Telemetry, name: str) -> None:
    telemetry.audit.log("order.changed", {}, 42, **GIVEN)
    telemetry.audit.log("order.changed", {}, 43)

    event = captured.one("order.changed", **{name: GIVEN[name]})

    assert event.user_id == "42"
    absent: Any = {name: None}
    captured.one("order.changed", user_id=43, **absent)


def test_anonymous_user_is_expected_as_none(captured: CapturedEvents, telemetry: Telemetry) -> None:
    telemetry.audit.log("login", {}, None)

    assert captured.one("login", user_id=None, actor_type="anonymous").user_id == "anonymous"


@pytest.mark.parametrize(
    ("payload", "expected", "matches"),
    [
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 2}}, True),
        ({"a": 1}, {}, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"b": None}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [1, 2]}, {"a": (1, 2)}, True),
        ({"when": datetime(2026, 1, 31, tzinfo=UTC)}, {"when": datetime(2026, 1, 31, tzinfo=UTC)}, True),
        (Money(Decimal("9.90"), "EUR"), Money(Decimal("9.90"), "EUR"), True),
        (Money(Decimal("9.90"), "EUR"), {"currency": "EUR"}, True),
        ({"id": uuid.UUID(int=1)}, {"id": uuid.UUID(int=1)}, True),
        ({"a": "anything"}, {"a": ANY}, True),
        ({"a": 0.1 + 0.2}, {"a": pytest.approx(0.3)}, True),
        ("text", "text", True),
        ("text", {"a": 1}, False),
        (None, None, True),
    ],
)
def test_payload_contains_what_is_expected(
    captured: CapturedEvents, telemetry: Telemetry, payload: Any, expected: Any, matches: bool
) -> None:
    telemetry.audit.log("login", payload, "ada")

    assert len(captured.all("login", payload=expected)) == matches


def test_metadata_contains_what_is_expected(captured: CapturedEvents, telemetry: Telemetry) -> None:
    telemetry.audit.log("login", {}, "ada", region="eu", shard=3)

    captured.one(metadata={"shard": 3})
    captured.none(metadata={"shard": 4})


def test_type_is_not_needed(captured: CapturedEvents, telemetry: Telemetry) -> None:
    telemetry.audit.log("login", {}, "ada")
    telemetry.audit.log("logout", {}, "ada")

    assert len(captured.all(user_id="ada")) == 2
    assert captured.all("login", user_id="bob") == []
    captured.one("logout")


def test_error_lists_events_and_the_closest(captured: CapturedEvents, telemetry: Telemetry) -> None:
    telemetry.audit.log("user.login", {"method": "passkey"}, "ada", outcome="success")
    telemetry.audit.log("user.logout", {}, "ada", outcome="denied")

    with pytest.raises(AssertionError) as failed:
        captured.one("user.login", outcome="denied", user_id="ada", payload={"method": "passkey", "n": 1})

    lines = str(failed.value).splitlines()
    assert lines[0] == (
        "expected exactly one event 'user.login' with outcome='denied', user_id='ada', "
        "payload={'method': 'passkey', 'n': 1}; none of 2 captured events are like that"
    )
    assert lines[2].split() == ["#", "time", "event_type", "user_id", "outcome", "payload"]
    assert lines[3].split()[2:] == ["user.login", "ada", "success", '{"method":"passkey"}']
    assert lines[-3:] == [
        "the closest is event 0, which differs in",
        "  outcome: expected 'denied', found 'success'",
        "  payload.n: expected 1, found (absent)",
    ]


def test_error_marks_the_events_that_are_too_many(captured: CapturedEvents, telemetry: Telemetry) -> None:
    for user in ("ada", "bob", "ada"):
        telemetry.audit.log("login", {}, user)

    with pytest.raises(AssertionError, match="2 of 3 captured events are like that") as failed:
        captured.one("login", user_id="ada")
    with pytest.raises(AssertionError, match="expected no event 'login'"):
        captured.none("login")

    assert [line[0] for line in str(failed.value).splitlines()[3:]] == [">", " ", ">"]


def test_error_without_events_says_so(captured: CapturedEvents) -> None:
    with pytest.raises(AssertionError, match=r"; no event was captured$"):
        captured.one("login")
    captured.none("login")


def test_error_is_short_and_one_line_an_event(captured: CapturedEvents, telemetry: Telemetry) -> None:
    for _ in range(100):
        telemetry.audit.log("a \u200b b", {"text": "x" * 10_000, "\x1b": "\u202e"}, "ada")

    with pytest.raises(AssertionError) as failed:
        captured.one("login", user_id="\x1b[2J")

    lines = str(failed.value).splitlines()
    assert len(lines) < 45
    assert max(map(len, lines)) < 300
    assert all(line.isprintable() for line in lines)
    assert "(the last 30 of 100)" in lines


def test_unknown_member_is_a_mistake_of_the_test(captured: CapturedEvents) -> None:
    with pytest.raises(TypeError, match="no member method; give payload"):
        captured.one("login", method="passkey")  # type: ignore[call-arg]


def test_clear_forgets_what_was_logged(captured: CapturedEvents, telemetry: Telemetry) -> None:
    telemetry.audit.log("prepared", {}, "ada")

    captured.clear()
    telemetry.audit.log("tested", {}, "ada")

    assert [event.event_type for event in captured] == ["tested"]

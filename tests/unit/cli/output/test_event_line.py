"""The line of an event says who did what to which thing and how it changed, and hides what is sensitive."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.cli.output.event_line import HIDDEN, event_line
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import Change, Target
from telemetry.reader import OpenedEvent, Place, Proven, RawRecord


def line(
    *, with_sensitive: bool = False, sealed: bool = True, proven: Proven = Proven.NOT_JUDGED, **members: Any
) -> str:
    values: dict[str, Any] = {"payload": {"amount": 5}, "time": "2026-01-02T03:04:05.678901Z", **members}
    event = AuditEvent(
        id="0198c0de-0000-7000-8000-000000000001",
        event_type="order_changed",
        user_id="ada",
        service_name="orders",
        environment="production",
        producer="p",
        sequence=1,
        schema_version=1,
        **values,
    )
    place = Place("topic", 0, 1)
    opened = OpenedEvent(event, place, sealed=sealed, raw=RawRecord(None, b"", place), proven=proven)
    return event_line(opened, with_sensitive=with_sensitive).plain


def test_bare_event_has_time_type_user_payload_and_id() -> None:
    assert line() == ('2026-01-02 03:04:05.678  order_changed  ada  {"amount":5}  0198c0de-0000-7000-8000-000000000001')


@pytest.mark.parametrize(
    ("members", "shown"),
    [
        ({"actor_id": "bob"}, "  by bob  "),
        ({"actor_id": "bob", "actor_type": "service"}, "  by bob (service)  "),
        ({"actor_type": "system"}, "  by a system  "),
        ({"outcome": "denied"}, "  denied  "),
        ({"entity": "order", "entity_id": "77"}, "  order/77  "),
        ({"entity": "order"}, "  order  "),
        ({"targets": (Target("user", "1"), Target("group"))}, "  on user/1, group  "),
        ({"changes": {"email": Change("a@x", "b@x")}}, "  email: a@x -> b@x  "),
        ({"changes": {"limit": Change(5, None), "note": Change(new="n")}}, "  limit: 5 -> null, note: (none) -> n  "),
        ({"occurred_at": "2020-05-06T07:08:09Z"}, "  occurred 2020-05-06 07:08:09Z  "),
    ],
    ids=str,
)
def test_member_is_shown(members: dict[str, Any], shown: str) -> None:
    assert shown in line(**members)


def test_occurred_at_the_same_time_is_not_repeated() -> None:
    assert "occurred" not in line(time="2026-01-02T03:04:05.500000Z", occurred_at="2026-01-02T03:04:05.5Z")


def test_worth_is_in_front_of_the_type() -> None:
    assert "  NOT SEALED  NOT PROVEN  order_changed" in line(sealed=False, proven=Proven.NO)


@pytest.mark.parametrize("with_sensitive", [False, True])
def test_sensitive_values_are_hidden(*, with_sensitive: bool) -> None:
    changes = {"salary": Change(1_111, 2_222)}
    shown = line(sensitive=True, payload={"iban": "canary"}, changes=changes, with_sensitive=with_sensitive)

    for secret in ("canary", "1111", "2222", "salary"):
        assert (secret in shown) is with_sensitive
    assert (HIDDEN in shown) is not with_sensitive


def test_long_values_are_cut() -> None:
    changes = {f"name-{number}": Change("x" * 10_000, "y" * 10_000) for number in range(50)}
    targets = tuple(Target("t" * 500, str(number)) for number in range(1_000))

    assert len(line(payload="p" * 100_000, changes=changes, targets=targets, entity="e" * 5_000)) < 1_600
    assert "and 5 more" in line(targets=tuple(Target("t", str(number)) for number in range(25)))


def test_control_characters_are_escaped() -> None:
    shown = line(entity="\x1b[2J", actor_id="\u202e", changes={"a\nb": Change("\x07", "\u0000")}, payload="\x9b")

    assert shown.isprintable()

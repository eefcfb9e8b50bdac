from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.format.value.members import Change, Target
from telemetry.reader.filters.where import Where, all_hold
from tests.support.some_events import make_event

PAYLOAD = {
    "order": {
        "id": 77,
        "total": 10.5,
        "paid": True,
        "note": "Refund asked",
        "none": None,
        "empty": [],
        "tags": ["a", 7, None],
    },
    "a.b": "dotted",
    "x=y": "equal",
    "text": "77",
    "true": "true",
    "big": 2**70,
    "lines": [{"sku": "k-1"}, {"sku": "k-2"}],
}
EVENT: dict[str, Any] = {
    "payload": PAYLOAD,
    "user_agent": "curl/8.4",
    "targets": (Target("invoice", "9"),),
    "changes": {"email": Change("a@example.com", "b@example.com"), "limit": Change(new=5)},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("payload.order.id=77", True),
        ("payload.order.id=77.0", True),
        ("payload.order.id=7", False),
        ("payload.order.id=077", False),
        ("payload.text=77", True),
        ("payload.text=77.0", False),
        ("payload.order.total=10.50", True),
        ("payload.order.paid=true", True),
        ("payload.order.paid=1", False),
        ("payload.true=true", True),
        ("payload.big=1180591620717411303424", True),
        ("payload.order.note=Refund asked", True),
        ("payload.order.note=refund asked", False),
        ("payload.order.note=~REFUND", True),
        ("payload.order.note=~refused", False),
        ("payload.order.id=~7", True),
        ("payload.order.tags=a", True),
        ("payload.order.tags=7", True),
        ("payload.order.tags=b", False),
        ("payload.order.tags=null", False),
        ("payload.order.none", False),
        ("payload.order.none=null", False),
        ("payload.order.empty", False),
        ("payload.order", True),
        ("payload.order=~id", False),
        ("payload.missing", False),
        ("payload.missing=", False),
        ('payload."a.b"=dotted', True),
        ('payload."x=y"=equal', True),
        ("/payload/a.b=dotted", True),
        ("payload.lines.1.sku=k-2", True),
        ("payload.lines[sku=k-2].sku=k-2", True),
        ("payload.missing,payload.text=77", True),
        ("user_agent=~CURL", True),
        ("changes.email", True),
        ("changes.email.old=a@example.com", True),
        ("changes.limit.old", False),
        ("changes.limit.new=5", True),
        ("targets.0.entity_id=9", True),
        ("sequence=7", True),
    ],
)
def test_comparison_of_each_kind(text: str, expected: bool) -> None:
    assert Where(text).holds(make_event(**EVENT)) is expected


def test_payload_that_is_no_object() -> None:
    for payload in (None, "text", 7, [1], []):
        assert not Where("payload.order.id=77").holds(make_event(payload=payload))
    assert Where("payload=text").holds(make_event(payload="text"))


def test_paths_are_and_values_are_or() -> None:
    event = make_event(**EVENT)
    assert all_hold([Where("payload.text=1"), Where("payload.text=77"), Where("payload.order.id=77")], event)
    assert not all_hold([Where("payload.text=77"), Where("payload.order.id=78")], event)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "=x",
        "payload.=x",
        "paylaod.order=1",
        "payload[",
        'payload."a',
        "payload.a=~",
        "payload.a=" + "x" * 1_025,
    ],
)
def test_what_is_no_comparison(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^--where: "):
        Where(text, name="--where")


def test_long_text_is_refused_quickly() -> None:
    with pytest.raises(ConfigurationError):
        Where('payload."' + "\\" * 200_000)
    with pytest.raises(ConfigurationError):
        Where("[" * 200_000)

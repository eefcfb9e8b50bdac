from __future__ import annotations

import enum
from typing import Annotated, Any

import msgspec
import pytest

from telemetry.catalog import AuditCatalog, Personal, Secret
from telemetry.catalog.described.described_catalog import DescribedCatalog, describe
from telemetry.catalog.described.difference import Change, compare


def described(fields: list[Any] | None = None, *, unknown: Any = "refuse", **properties: Any) -> DescribedCatalog:
    catalog = AuditCatalog("c", version=1, unknown=unknown)
    catalog.event("t", **properties)(msgspec.defstruct("T", fields or [], namespace={"__module__": __name__}))
    return describe(catalog)


def changes(old: list[Any], new: list[Any]) -> set[tuple[str, str]]:
    return {(change.effect, change.text) for change in compare(described(old), described(new))}


class Few(enum.Enum):
    A = "a"


class Many(enum.Enum):
    A = "a"
    B = "b"


Text = Annotated[str, msgspec.Meta(max_length=5)]
Longer = Annotated[str, msgspec.Meta(max_length=9)]
Masked = Annotated[str, Personal(show="mask")]
Last = Annotated[str, Personal(show="last4")]
Hidden = Annotated[str, Secret()]
Refused = Annotated[str, Secret(given="refuse")]


class Node(msgspec.Struct):
    name: str
    below: list[Node] = []


class OtherNode(msgspec.Struct, rename={"name": "label"}):
    name: str
    below: list[OtherNode] = []


def test_equal_catalogues_have_no_difference() -> None:
    assert compare(described([("a", int), ("n", Node)]), described([("a", int), ("n", Node)])) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([("a", int)], [], {("breaking", "payload.a is gone")}),
        ([], [("a", int)], {("breaking", "payload.a is new and required")}),
        ([], [("a", int, 0)], {("compatible", "payload.a is new")}),
        ([("a", int, 0)], [("a", int)], {("breaking", "payload.a is required now")}),
        ([("a", int)], [("a", int, 0)], {("compatible", "payload.a is no longer required")}),
        ([("a", int)], [("a", str)], {("breaking", "payload.a no longer accepts integer"), ("compatible", "payload.a accepts string too")}),
        ([("a", int)], [("a", float)], {("compatible", "payload.a accepts number too")}),
        ([("a", int)], [("a", int | None)], {("compatible", "payload.a accepts null too")}),
        ([("a", int | None)], [("a", int)], {("breaking", "payload.a no longer accepts null")}),
        ([("a", Any)], [("a", int)], {("breaking", "payload.a no longer accepts any"), ("compatible", "payload.a accepts integer too")}),
        ([("a", Few)], [("a", Many)], {("compatible", "payload.a accepts more values")}),
        ([("a", Many)], [("a", Few)], {("breaking", "payload.a no longer accepts b")}),
        ([("a", Text)], [("a", Longer)], {("compatible", "payload.a maxLength: 5 becomes 9")}),
        ([("a", Longer)], [("a", Text)], {("breaking", "payload.a maxLength: 9 becomes 5")}),
        ([("a", str)], [("a", Text)], {("breaking", "payload.a maxLength: none becomes 5")}),
        ([("a", list[int])], [("a", list[str])], {("breaking", "payload.a[] no longer accepts integer"), ("compatible", "payload.a[] accepts string too")}),
        ([("a", dict[str, int])], [("a", dict[str, Any])], {("compatible", "payload.a.* accepts everything")}),
        ([("a", Masked)], [("a", Last)], {("weaker", "payload.a personal: mask becomes last4")}),
        ([("a", Last)], [("a", Masked)], {("compatible", "payload.a personal: last4 becomes mask")}),
        ([("a", Last)], [("a", str)], {("weaker", "payload.a personal: last4 becomes not")}),
        ([("a", Hidden)], [("a", str)], {("weaker", "payload.a is no longer a secret")}),
        ([("a", str)], [("a", Hidden)], {("compatible", "payload.a is a secret now, and no longer written")}),
        ([("a", Hidden)], [("a", Refused)], {("breaking", "payload.a is refused where it is given")}),
    ],
)  # fmt: skip
def test_difference_of_members(old: list[Any], new: list[Any], expected: set[tuple[str, str]]) -> None:
    found = changes(old, new)

    assert expected <= found
    assert {effect for effect, _ in found} == {effect for effect, _ in expected}


def test_class_that_contains_itself_is_compared_once() -> None:
    found = changes([("n", Node)], [("n", OtherNode)])

    assert ("breaking", "payload.n.name is gone") in found
    assert ("breaking", "payload.n.label is new and required") in found


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ({"delivery": "durable"}, {"delivery": "accepted"}, "weaker"),
        ({"delivery": "durable"}, {"delivery": "delivered"}, "compatible"),
        ({"on_failure": "raise"}, {"on_failure": "count"}, "weaker"),
        ({"retention": "7y"}, {"retention": "400d"}, "weaker"),
        ({"retention": "12m"}, {"retention": "1y"}, "compatible"),
        ({"retention": "1y"}, {}, "weaker"),
        ({"severity": "high"}, {"severity": "low"}, "weaker"),
        ({"controls": ["PCI 10"]}, {"controls": ["SOC2"]}, "weaker"),
        ({"entity": "order"}, {"entity": "invoice"}, "breaking"),
        ({}, {"entity": "invoice"}, "compatible"),
        ({"ocsf": (3002, 1)}, {"ocsf": (3002, 2)}, "breaking"),
        ({"unknown": "refuse"}, {"unknown": "warn"}, "weaker"),
        ({"unknown": "allow"}, {"unknown": "refuse"}, "breaking"),
    ],
)
def test_difference_of_properties(old: dict[str, Any], new: dict[str, Any], effect: str) -> None:
    assert [change.effect for change in compare(described(**old), described(**new))] == [effect]


def test_types_that_come_and_go() -> None:
    one, other = AuditCatalog("c", version=1), AuditCatalog("c", version=2)
    one.event("old")(msgspec.defstruct("Old", []))
    other.event("new")(msgspec.defstruct("New", []))

    assert compare(describe(one), describe(other)) == [
        Change("breaking", "old", "is no longer declared"),
        Change("compatible", "new", "is new"),
    ]

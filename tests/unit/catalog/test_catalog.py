from __future__ import annotations

from typing import Annotated, Any

import pytest

from telemetry.catalog import AuditCatalog, Event, EventField, Personal, Secret
from telemetry.catalog.builtin import UserLogin, builtin
from telemetry.exceptions import ConfigurationError, EventError
from tests.unit.catalog.shop_catalog import MailSent, OrderRefunded, catalog


class Plain(Event):
    number: int = 0


def test_declared_type_is_found_by_name_and_class() -> None:
    declared = catalog.find("order.refunded")

    assert declared is catalog.of(OrderRefunded(order_id=7, amount=1))  # type: ignore[arg-type]
    assert declared is not None
    assert (declared.entity, declared.severity, declared.retention) == ("order", "medium", "7y")
    assert declared.policy.delivery == "durable"
    assert declared.description == "An order was paid back."
    assert (declared.reference.name, declared.reference.version, declared.reference.retention) == ("shop", "3", "7y")
    assert MailSent.__name__ == "MailSent"


def test_included_type_keeps_its_catalogue() -> None:
    included = catalog.of(UserLogin())

    assert included is builtin.find("user.login")
    assert included.reference.name == "telemetry-builtin"
    assert len(catalog) == len(builtin) + 3
    assert "user.login" in catalog


def test_undeclared_class_is_refused() -> None:
    with pytest.raises(EventError, match="declares no event of the class Plain"):
        catalog.of(Plain())


@pytest.mark.parametrize(
    "properties",
    [
        {"severity": "huge"},
        {"outcome": "ok"},
        {"delivery": "soon"},
        {"on_failure": "ignore"},
        {"block_seconds": 0},
        {"block_seconds": True},
        {"block_seconds": 3_601},
        {"retention": "7 years"},
        {"retention": "7y\n"},
        {"controls": ["a\nb"]},
        {"controls": ["c"] * 101},
        {"entity_id": "nummer"},
    ],
    ids="-".join,
)
def test_wrong_property_is_refused(properties: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        AuditCatalog("c", version=1).event("a", **properties)(Plain)


@pytest.mark.parametrize("name", ["", " ", "a\x00", "a" * 256, "telemetry.read", "Telemetry.x", "\ud800", 7])
def test_wrong_type_name_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError):
        AuditCatalog("c", version=1).event(name)(Plain)


@pytest.mark.parametrize(("name", "version"), [("", 1), ("a" * 65, 1), ("a", ""), ("a", "v" * 65), ("a\n", 1)])
def test_wrong_name_of_catalogue_is_refused(name: str, version: int | str) -> None:
    with pytest.raises(ConfigurationError):
        AuditCatalog(name, version=version)


def test_wrong_unknown_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="refuse, warn, allow"):
        AuditCatalog("a", version=1, unknown="drop")  # type: ignore[arg-type]


def test_type_declared_twice_is_refused() -> None:
    own = AuditCatalog("c", version=1)
    own.event("a")(Plain)

    with pytest.raises(ConfigurationError, match="declared twice"):
        own.event("a")(MailSent)
    with pytest.raises(ConfigurationError, match="class of another type"):
        own.event("b")(Plain)
    with pytest.raises(ConfigurationError, match="declared twice"):
        AuditCatalog("d", version=1, include=[own, own])


@pytest.mark.parametrize("kind", [int, dict, "text", None])
def test_class_without_fields_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError):
        AuditCatalog("c", version=1).event("a")(kind)


def test_wrong_mark_is_refused() -> None:
    for mark in (Personal, Secret, EventField):
        with pytest.raises(ConfigurationError):
            mark("most")  # type: ignore[arg-type]


class Doubled(Event):
    one: Annotated[str, EventField("reason")]
    other: Annotated[str, EventField("reason")]


def test_two_members_of_one_field_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="two members"):
        AuditCatalog("c", version=1).event("a")(Doubled)


def test_repr_of_typed_event_has_no_value() -> None:
    assert repr(MailSent(to="ada@example.com")) == "MailSent()"
    assert "ada" not in f"{catalog!r}"

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from telemetry.catalog.event_type import EventType
from telemetry.exceptions import EventError
from tests.unit.catalog.shop_catalog import Account, MailSent, OrderRefunded, ProfileViewed, catalog


def declared(name: str) -> EventType:
    found = catalog.find(name)
    assert found is not None
    return found


def test_typed_event_becomes_payload_and_fields() -> None:
    event = OrderRefunded(
        order_id=7,
        amount=Decimal("9.90"),
        account=Account("Ada Lovelace", "DE89370400440532013000"),
        token="t-1",
        why="ticket 4711",
        changes={"state": ("paid", "refunded")},
    )

    checked = declared("order.refunded").check(event)

    assert checked.payload == {"order_id": 7, "amount": "9.90", "account": {"iban": "****3000"}}
    assert checked.fields == {
        "entity": "order",
        "entity_id": 7,
        "reason": "ticket 4711",
        "changes": {"state": ("paid", "refunded")},
    }


def test_mapping_is_checked_by_the_same_class() -> None:
    given = {"order_id": 7, "amount": Decimal("9.90"), "account": {"holder": "Ada", "iban": "DE89370400440532013000"}}

    checked = declared("order.refunded").check(given)

    assert checked.payload == {"order_id": 7, "amount": "9.90", "account": {"iban": "****3000"}}
    assert given["account"] == {"holder": "Ada", "iban": "DE89370400440532013000"}


def test_every_value_of_a_list_is_masked() -> None:
    checked = declared("mail.sent").check(MailSent(to="ada@example.com", copies=["eve@example.com", ""]))

    assert checked.payload == {"to": "****", "copies": ["****", "****"]}


def test_pydantic_class_is_checked_and_masked() -> None:
    kind = declared("profile.viewed")

    assert kind.check(ProfileViewed(profile=1, email="ada@example.com")).payload == {
        "profile": 1,
        "email": "****.com",
        "code": None,
    }
    assert kind.check({"profile": 1}).payload == {"profile": 1, "email": "****", "code": None}


def test_secret_that_must_not_be_given_refuses() -> None:
    with pytest.raises(EventError, match=r"payload\.code is a secret") as raised:
        declared("profile.viewed").check(ProfileViewed(profile=1, code="canary"))

    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "payload", "place"),
    [
        ("order.refunded", {"order_id": "canary", "amount": "1"}, "payload.order_id"),
        ("order.refunded", {"order_id": 1, "amount": "canary"}, "payload.amount"),
        ("order.refunded", {"order_id": 1, "amount": "1", "canary": 1}, "payload has a member"),
        ("order.refunded", {"order_id": 1, "amount": "1", "account": {"canary": 1}}, "payload.account"),
        ("order.refunded", {"order_id": 1, "amount": "1", "changes": ["canary"]}, "payload.changes"),
        ("order.refunded", {"order_id": 1}, "`amount`"),
        ("order.refunded", {"order_id": object(), "amount": 1}, "payload"),
        ("order.refunded", "canary", "payload"),
        ("order.refunded", None, "payload"),
        ("order.refunded", MailSent(to="canary"), "payload"),
        ("profile.viewed", {"profile": "canary"}, "payload.profile"),
        ("profile.viewed", {"profile": 1, "canary": 1}, "payload"),
        ("profile.viewed", {}, "payload.profile is missing"),
        ("profile.viewed", ["canary"], "payload"),
    ],
)
def test_misfit_is_refused_without_its_value(name: str, payload: Any, place: str) -> None:
    with pytest.raises(EventError, match=r"payload") as raised:
        declared(name).check(payload)

    assert place in str(raised.value)
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_payload_that_contains_itself_is_refused() -> None:
    payload: dict[str, Any] = {"order_id": 1, "amount": "1"}
    payload["changes"] = payload

    with pytest.raises(EventError):
        declared("order.refunded").check(payload)


def test_schema_says_what_is_shown() -> None:
    schema = declared("order.refunded").schema
    properties = schema["$defs"]["OrderRefunded"]["properties"]

    assert properties["token"]["x-telemetry-secret"] == "drop"
    assert schema["$defs"]["Account"]["properties"]["iban"]["x-telemetry-personal"] == "last4"
    assert declared("profile.viewed").schema["properties"]["code"]["x-telemetry-secret"] == "refuse"
    assert declared("mail.sent").schema["$defs"]["MailSent"]["properties"]["copies"]["items"] == {
        "type": "string",
        "x-telemetry-personal": "mask",
    }


def test_reference_is_what_the_format_reads() -> None:
    kind = declared("order.refunded")

    assert msgspec.json.decode(kind.encoded_reference, type=type(kind.reference)) == kind.reference
    assert msgspec.json.decode(kind.encoded_misfit) == {"name": "shop", "version": "3", "retention": "7y"}

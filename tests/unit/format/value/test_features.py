"""Envelope 2: features by name, and events that only a later version reads."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import msgspec
import pytest

from telemetry.exceptions import FormatError, MalformedRecordError, NewerReaderNeededError, TamperedError
from telemetry.format.value.event import decode_event
from telemetry.format.value.features import HIDDEN_EVENT_TYPE, KNOWN_FEATURES
from telemetry.format.value.members import CatalogReference, Change, Target

DIGEST = base64.urlsafe_b64encode(hashlib.sha256(b"call").digest()).decode().rstrip("=")
EVENT: dict[str, Any] = {
    "producer": "0198c0de-0000-7000-8000-00000000000a",
    "sequence": 7,
    "id": "0198c0de-1111-7222-8333-444455556666",
    "time": "2026-01-31T12:00:00.000000Z",
    "schema_version": 1,
    "event_type": "user_login",
    "user_id": "ada",
    "service_name": "shop",
    "environment": "production",
    "payload": {},
}


def plaintext(**members: Any) -> bytes:
    return json.dumps({**EVENT, **members}).encode()


def test_event_without_features_has_none() -> None:
    event = decode_event(plaintext())
    assert event.features == ()
    assert event.dedup is None
    assert event.clear_type == "user_login"
    assert "features" not in event.to_dict()


def test_hidden_type_is_a_constant_outside() -> None:
    event = decode_event(plaintext(schema_version=2, features=["hidden-type"]))
    assert event.event_type == "user_login"
    assert event.clear_type == HIDDEN_EVENT_TYPE


def test_dedup_is_read() -> None:
    event = decode_event(
        plaintext(schema_version=2, features=["dedup"], dedup={"value": "a", "digest": DIGEST, "caller": "gateway"})
    )
    assert event.dedup is not None
    assert (event.dedup.value, event.dedup.caller, event.dedup.digest) == ("a", "gateway", DIGEST)
    assert "value" not in repr(event.dedup)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"schema_version": 2, "features": ["brand-new"]}, "brand-new"),
        ({"schema_version": 2, "features": ["a", "dedup", "z"]}, "it uses a, z"),
        ({"schema_version": 2, "features": ["compressed"], "payload": 1, "user_id": None}, "compressed"),
        ({"schema_version": 3}, "3"),
        ({"schema_version": 3, "features": ["hidden-type"], "time": 5}, "3"),
    ],
)
def test_event_of_a_later_version_needs_a_newer_reader(members: dict[str, Any], named: str) -> None:
    with pytest.raises(NewerReaderNeededError, match=f"newer reader.*{named}") as caught:
        decode_event(plaintext(**members))
    assert not isinstance(caught.value, TamperedError)
    assert caught.value.exit_code == FormatError.exit_code


@pytest.mark.parametrize(
    "members",
    [
        {"schema_version": 0},
        {"schema_version": -1},
        {"schema_version": 1.5},
        {"schema_version": 1, "features": ["hidden-type"]},
        {"schema_version": 1, "dedup": {"value": "a", "digest": DIGEST}},
        {"schema_version": 2},
        {"schema_version": 2, "features": []},
        {"schema_version": 2, "features": ["hidden-type", "dedup"]},
        {"schema_version": 2, "features": ["hidden-type", "hidden-type"]},
        {"schema_version": 2, "features": ["Hidden"]},
        {"schema_version": 2, "features": [""]},
        {"schema_version": 2, "features": ["x" * 33]},
        {"schema_version": 2, "features": ["\x1b[2J"]},
        {"schema_version": 2, "features": sorted(f"f{number}" for number in range(17))},
        {"schema_version": 2, "features": [7]},
        {"schema_version": 2, "features": "hidden-type"},
        {"schema_version": 2, "features": ["dedup"]},
        {"schema_version": 2, "features": ["hidden-type"], "dedup": {"value": "a", "digest": DIGEST}},
        {"schema_version": 2, "features": ["dedup"], "dedup": {"value": "a" * 257, "digest": DIGEST}},
        {"schema_version": 2, "features": ["dedup"], "dedup": {"value": "", "digest": DIGEST}},
        {"schema_version": 2, "features": ["dedup"], "dedup": {"value": "a", "digest": DIGEST + "\n"}},
        {"schema_version": 2, "features": ["dedup"], "dedup": {"value": "a", "digest": "A" * 42 + "B"}},
        {"schema_version": 2, "features": ["dedup"], "dedup": {"digest": DIGEST}},
        {"schema_version": 1, "reason": "ticket"},
        {"schema_version": 1, "adjusted": ["user_id"]},
        {"schema_version": 1, "catalog": {"name": "shop", "version": "3"}},
        {"schema_version": 2, "features": ["catalog"]},
        {"schema_version": 2, "features": ["catalog"], "catalog": {"name": "shop"}},
        {"schema_version": 2, "features": ["catalog"], "catalog": {"name": "", "version": "3"}},
        {"schema_version": 2, "features": ["catalog"], "catalog": {"name": "a" * 65, "version": "3"}},
        {"schema_version": 2, "features": ["catalog"], "catalog": {"name": "a", "version": "3", "schema": "x"}},
        {"schema_version": 2, "features": ["catalog"], "catalog": {"name": "a", "version": "3", "retention": "0y"}},
        {"schema_version": 2, "features": ["catalog"], "catalog": {"name": "a", "version": "3", "retention": "7y\n"}},
        {"schema_version": 2, "features": ["reason"], "reason": ""},
        {"schema_version": 2, "features": ["reason"], "tenant_id": "acme"},
        {"schema_version": 2, "features": ["targets"], "targets": []},
        {"schema_version": 2, "features": ["targets"], "targets": [{"entity_id": "77"}]},
        {"schema_version": 2, "features": ["changes"], "changes": {}},
        {"schema_version": 2, "features": ["actor-type"], "actor_type": "robot"},
        {"schema_version": 2, "features": ["occurred-at"], "occurred_at": "2021-02-30T00:00:00Z"},
        {"schema_version": 2, "features": ["occurred-at"], "occurred_at": "2021-02-28T00:00:00+01:00"},
        {"schema_version": 2, "features": ["occurred-at"], "occurred_at": "2021-02-28T00:00:00.1234567890Z"},
        {"schema_version": 2, "features": ["occurred-at"], "occurred_at": 1612137600},
    ],
)
def test_what_no_version_writes_is_malformed(members: dict[str, Any]) -> None:
    with pytest.raises(MalformedRecordError):
        decode_event(plaintext(**members))


def test_known_features_are_those_of_the_format() -> None:
    assert {
        *("hidden-type", "dedup", "recipients", "occurred-at", "actor-type", "tenant-id"),
        *("targets", "reason", "changes", "adjusted", "relayed", "catalog", "disclosable", "subject"),
    } == KNOWN_FEATURES


def test_catalog_of_an_event_is_read() -> None:
    catalog = {"name": "shop", "version": "3", "schema": DIGEST, "retention": "7y"}
    event = decode_event(plaintext(schema_version=2, features=["catalog"], catalog=catalog))

    assert event.catalog == CatalogReference(name="shop", version="3", schema=DIGEST, retention="7y")


def test_members_of_version_2_are_read() -> None:
    event = decode_event(
        plaintext(
            schema_version=2,
            features=["actor-type", "adjusted", "changes", "occurred-at", "reason", "targets", "tenant-id"],
            actor_type="service",
            adjusted=["user_id"],
            changes={"limit": {"old": 1, "new": None}, "owner": {"new": "eve"}},
            occurred_at="2021-06-30T23:59:59.123456789Z",
            reason="ticket",
            targets=[{"entity": "account", "entity_id": "77"}, {"entity": "ledger"}],
            tenant_id="acme",
        )
    )
    assert event.occurred_at == "2021-06-30T23:59:59.123456789Z"
    assert (event.actor_type, event.tenant_id, event.reason, event.adjusted) == (
        *("service", "acme", "ticket"),
        ("user_id",),
    )
    assert event.targets == (Target("account", "77"), Target("ledger"))
    assert event.changes == {"limit": Change(1, None), "owner": Change(new="eve")}
    assert event.changes["owner"].old is msgspec.UNSET
    assert "77" not in repr(event.targets)
    assert "eve" not in repr(event.changes)

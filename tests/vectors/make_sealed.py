"""Makes ``sealed.json``: records of fixed keys, times and initialization vectors. Its output must never change.

Run it with ``python -m tests.vectors.make_sealed > tests/vectors/sealed.json``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import CatalogReference, Change, Dedup, Target
from telemetry.format.value.message import source_of
from telemetry.format.value.recipients import Wrap, recipients_digest, render_recipients
from telemetry.format.value.render import render, render_head, render_tail

_DATA_KEY = bytes(range(32))
_IV = bytes.fromhex("000102030405060708090a0b")
_KEY_URI, _WRAPPED = "local-key://00", b"\x00wrapped\xff"
_RECIPIENTS = render_recipients([Wrap(b"\x01second\xfe", "aws-kms://01"), Wrap(b"\x01third\xfd", "recovery-key://02")])
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_COMMON: dict[str, Any] = {
    "time": "2026-01-31T12:00:00.123456Z",
    "service_name": "shop",
    "environment": "production",
    "producer": _PRODUCER,
    "schema_version": 1,
}
_CASES: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    (
        "smallest",
        {"id": "018f3b1c-0000-7000-8000-00000000000a", "event_type": "user_login", "user_id": "ada", "payload": {}},
        {},
    ),
    (
        "every field",
        {
            "id": "018f3b1c-0000-7000-8000-00000000000b",
            "event_type": 'type "quoted" \\ Grüße',
            "user_id": "usuário-日本",
            "payload": {"a": [1, 2.5, None, True, {"😀": "\u0007"}]},
            "version": "1.2.3",
            "session_id": "s-1",
            "outcome": "denied",
            "sensitive": True,
            "metadata": {"ticket": 7},
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
            "trace_flags": 1,
            "clear_fields": ("session_id", "sensitive"),
        },
        {"sessionid": "session_id", "sensitive": "sensitive"},
    ),
    (
        "names that a URI escapes",
        {
            "id": "018f3b1c-0000-7000-8000-00000000000c",
            "event_type": "t",
            "user_id": "u",
            "payload": "text",
            "service_name": "pay/ments ü",
            "environment": "a:b",
        },
        {},
    ),
    (
        "hidden type",
        {
            "id": "018f3b1c-0000-7000-8000-00000000000d",
            "event_type": "hiv_test_ordered",
            "user_id": "ada",
            "payload": {"n": 1},
            "schema_version": 2,
            "features": ("hidden-type",),
        },
        {},
    ),
    (
        "repeatable call of a hidden type",
        {
            "id": "018f3b1c-0000-7000-8000-00000000000e",
            "event_type": "transfer",
            "user_id": "ada",
            "payload": {"amount": 7},
            "schema_version": 2,
            "features": ("dedup", "hidden-type"),
            "dedup": Dedup(
                value="order-4711", digest="KQ7yKe9DHFAGtPPRkzzKwVFvBlt6zsRnkexzWzuHJXI", caller="gateway-1"
            ),
        },
        {},
    ),
    (
        "further wraps of the data key",
        {
            "id": "018f3b1c-0000-7000-8000-00000000000f",
            "event_type": "user_login",
            "user_id": "ada",
            "payload": {},
            "schema_version": 2,
            "features": ("recipients",),
            "recipients": recipients_digest(_RECIPIENTS),
        },
        {},
    ),
    (
        "who, for whom, why, when and what changed",
        {
            "id": "018f3b1c-0000-7000-8000-000000000010",
            "event_type": "limit_raised",
            "user_id": "ada\\u0085~W9kcI_kfN7yh4SPkFckWQu",
            "payload": {},
            "schema_version": 2,
            "features": (
                "actor-type",
                "adjusted",
                "changes",
                "occurred-at",
                "reason",
                "targets",
                "tenant-id",
            ),
            "actor_id": "batch-7",
            "actor_type": "service",
            "tenant_id": "acme",
            "clear_fields": ("tenant_id",),
            "targets": (Target("account", "77"), Target("ledger")),
            "reason": "ticket 4711",
            "changes": {"limit": Change(old=100, new=None), "owner": Change(new="eve")},
            "occurred_at": "2021-06-30T23:59:59.123456789Z",
            "adjusted": ("user_id",),
        },
        {"tenantid": "tenant_id"},
    ),
    (
        "type of a catalogue",
        {
            "id": "018f3b1c-0000-7000-8000-000000000011",
            "event_type": "order.refunded",
            "user_id": "ada",
            "payload": {"order_id": 7},
            "schema_version": 2,
            "features": ("catalog",),
            "catalog": CatalogReference(
                name="shop", version="3", schema="KQ7yKe9DHFAGtPPRkzzKwVFvBlt6zsRnkexzWzuHJXI", retention="7y"
            ),
        },
        {},
    ),
)


def make() -> list[dict[str, Any]]:
    """Return the vectors."""
    return [_vector(name, number, fields, clear) for number, (name, fields, clear) in enumerate(_CASES)]


def _vector(name: str, sequence: int, fields: dict[str, Any], clear: dict[str, str]) -> dict[str, Any]:
    event = AuditEvent(**{**_COMMON, **fields, "sequence": sequence})
    plaintext = msgspec.json.encode(event)
    kid = jwe.key_id(_DATA_KEY, key_uri=_KEY_URI, wrapped=_WRAPPED)
    data = jwe.seal(AESGCM(_DATA_KEY), protected=jwe.protected_header(kid), iv=_IV, plaintext=plaintext)
    source = source_of(event.environment, event.service_name)
    recipients = _RECIPIENTS if event.recipients is not None else None
    head = render_head(source, _PRODUCER, key_uri=_KEY_URI, wrapped_key=_WRAPPED, recipients=recipients)
    projected = {attribute: getattr(event, field) for attribute, field in clear.items()}
    tail = render_tail(
        event.id, time=event.time, event_type=event.clear_type, traceparent=event.traceparent, clear=projected
    )
    value = render(head, sequence=sequence, key=event.key.encode(), tail=tail, data=data, sealed=True)
    return {
        "name": name,
        "data_key": _DATA_KEY.hex(),
        "iv": _IV.hex(),
        "kid": kid,
        "plaintext": plaintext.decode(),
        "key": event.key,
        "value": value.decode(),
        "leaf_hash": leaf_hash(value).hex(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")

"""Creates opened events without a trail, as input of mappings, filters and writers."""

from __future__ import annotations

from typing import Any

from telemetry.format.value.event import AuditEvent
from telemetry.format.value.members import CatalogReference, Change, Target
from telemetry.reader import OpenedEvent, Place, RawRecord

PRODUCER = "0198c0de-0000-7000-8000-000000000001"


def make_event(**fields: Any) -> AuditEvent:
    """Return an event; fields that are not given have plain values."""
    values: dict[str, Any] = {
        "id": "0198c0de-1111-7222-8333-444455556666",
        "time": "2026-01-31T12:00:00.123456Z",
        "event_type": "order_updated",
        "user_id": "user-1",
        "payload": {"amount": 1},
        "service_name": "shop",
        "environment": "production",
        "producer": PRODUCER,
        "sequence": 7,
        "schema_version": 1,
    }
    return AuditEvent(**{**values, **fields})


def opened(place: Place | None = None, **fields: Any) -> OpenedEvent:
    """Return an opened event."""
    position = place or Place("audit-events", 2, 41)
    return OpenedEvent(make_event(**fields), position, sealed=True, raw=RawRecord(None, None, position))


FULL: dict[str, Any] = {
    "version": "1.2",
    "session_id": "session-9",
    "actor_id": "admin-1",
    "entity": "order",
    "entity_id": "4711",
    "action": "update",
    "outcome": "denied",
    "source": "checkout",
    "ip_address": "2001:db8::1",
    "user_agent": "curl/8.4",
    "correlation_id": "request-3",
    "sensitive": True,
    "metadata": {"region": "eu"},
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "trace_flags": 1,
}

CONTEXT: dict[str, Any] = {
    "schema_version": 2,
    "occurred_at": "2021-03-04T05:06:07.123456789Z",
    "actor_type": "service",
    "tenant_id": "acme",
    "targets": (Target("user", "u-2"), Target("queue")),
    "reason": "ticket 4711",
    "changes": {"total": Change(1, 2), "note": Change(new="a")},
    "adjusted": ("reason",),
    "catalog": CatalogReference(name="shop", version="3", schema="A" * 43, retention="7y"),
}
"""Members that only events of envelope 2 have."""

VARIETY: tuple[dict[str, Any], ...] = (
    {},
    FULL,
    {**FULL, "entity": None, "entity_id": None},
    {**FULL, "actor_id": "user-1", "entity": "a / b\n", "entity_id": "x y?z#é%"},
    {"event_type": "user_login", "outcome": "success", "ip_address": "10.1.2.3", "user_agent": "Firefox"},
    {"event_type": "user_login", "outcome": "failure", "session_id": "s", "ip_address": "host.example"},
    {"event_type": "SignOut", "user_id": "日本語\u202e"},
    {"event_type": "GetObject", "entity": "bucket", "payload": None},
    {"event_type": "DeleteBucket", "entity_id": "b-1", "outcome": "success", "payload": [1, None]},
    {"event_type": "reboot", "payload": "=cmd()"},
    {"event_type": "telemetry.started", "user_id": "telemetry"},
    {"event_type": "telemetry.read", "user_id": "auditor", "action": "read", "entity": "audit_trail", "entity_id": "t"},
    {"trace_id": "0af7651916cd43dd8448eb211c80319c"},
    {**FULL, **CONTEXT},
    {**CONTEXT, "event_type": "user_login", "metadata": {"severity": "WARN"}},
    {**CONTEXT, "event_type": "user_created", "entity": "user", "entity_id": "u-9", "ip_address": "10.1.2.3:443"},
)
"""Fields of events that are unlike each other."""

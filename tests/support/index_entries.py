"""Builds entries of a trail for the explorer's index, without a key or a topic."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from telemetry.exceptions import TamperedError
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.features import HIDDEN_TYPE, MEMBERS
from telemetry.format.value.message import source_of
from telemetry.format.value.render import render, render_head, render_tail
from telemetry.reader.entry import DamagedRecord, OpenedEvent, Place, Proven, RawRecord, SealedEntry

PRODUCER = "0198c0de-0000-7000-8000-000000000001"


def id_of(number: int) -> str:
    """Return the id of an event by a number."""
    return f"0198c0de-0000-7000-8001-{number:012x}"


def time_of(second: float) -> str:
    """Return a time within the first day of a trail."""
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"2026-01-02T{hours:02d}:{minutes:02d}:{seconds:09.6f}Z"


def an_event(number: int = 0, **fields: Any) -> AuditEvent:
    """Return an event; its number decides its id, its sequence and its time."""
    members: dict[str, Any] = {
        "id": id_of(number),
        "time": time_of(number),
        "event_type": "order_changed",
        "user_id": "ada",
        "payload": {},
        "service_name": "shop",
        "environment": "test",
        "producer": PRODUCER,
        "sequence": number,
        **fields,
    }
    features = {name for name, member in MEMBERS.items() if members.get(member)} | set(members.pop("features", ()))
    return AuditEvent(**members, schema_version=2 if features else 1, features=tuple(sorted(features)))


def hidden(event: AuditEvent) -> AuditEvent:
    """Return the event with its type inside the seal only."""
    return msgspec.structs.replace(event, schema_version=2, features=tuple(sorted({*event.features, HIDDEN_TYPE})))


def opened(
    event: AuditEvent | None = None,
    *,
    place: Place | None = None,
    proven: Proven = Proven.YES,
    sealed: bool = True,
    is_foreign: bool = False,
    via: str | None = None,
    salt: str = "",
) -> OpenedEvent:
    """Return the entry of an opened event.

    Args:
        event: The event.
        place: Its place; by default one by its sequence.
        proven: Whether it is proven.
        sealed: Whether it was sealed.
        is_foreign: Whether the trail should not have it.
        via: Its gateway.
        salt: Makes another record of the same event.
    """
    event = event or an_event()
    place = place or Place("audit", 0, event.sequence)
    value = msgspec.json.encode(event) + salt.encode()
    return OpenedEvent(event, place, sealed, RawRecord(b"key", value, place), proven, is_foreign, via)


def left_sealed(
    number: int = 0,
    *,
    event_type: str = "order_changed",
    service: str = "shop",
    producer: str = PRODUCER,
    proven: Proven = Proven.YES,
    salt: str = "",
) -> SealedEntry:
    """Return the entry of an event that stays sealed."""
    place = Place("audit", 0, number)
    head = render_head(source_of("test", service), producer, key_uri="local-key://x", wrapped_key=b"wrapped")
    tail = render_tail(id_of(number), time=time_of(number), event_type=event_type)
    value = render(head, sequence=number, key=b"key", tail=tail, data=f"a..b{salt}.c.d".encode(), sealed=True)
    raw = RawRecord(b"key", value, place)
    return SealedEntry(id_of(number), producer, number, event_type, time_of(number), place, raw, proven)


def damaged(offset: int = 0, *, is_foreign: bool = False, reason: str = "it was altered") -> DamagedRecord:
    """Return a damaged record."""
    place = Place("audit", 0, offset)
    return DamagedRecord(place, TamperedError(reason), RawRecord(b"key", b"?", place), is_foreign)


def random_id() -> str:
    """Return an id that no other event has."""
    return str(uuid.uuid4())

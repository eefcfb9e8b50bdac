"""Turns entries of a trail into what a target is sent: a document in the chosen schema, or the record still sealed."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from telemetry.format.value.event import AuditEvent
from telemetry.forward.delivery import Described, Parcel, Target
from telemetry.reader.entry import CheckpointEntry, Entry, OpenedEvent, Place, RawRecord, SealedEntry
from telemetry.reader.mappings import Schema
from telemetry.reader.mappings.table import parse_time
from telemetry.reader.sources.lines import write_line

PROBE_TYPE = "telemetry.probe"
"""Type of the event that asks a target whether it accepts anything at all."""


class Rendering(Protocol):
    """Says what is sent of an entry."""

    def parcel(self, entry: Entry, target: Target) -> Parcel | None:
        """Return what is sent; None if the entry is not forwarded.

        Raises:
            ValueError: It does not fit the form.
        """

    def probe(self, event: AuditEvent, target: Target) -> Parcel:
        """Return an event of the forwarder's own in the same form."""


class OpenedRendering:
    """Sends opened events in a schema.

    Args:
        schema: The schema.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def parcel(self, entry: Entry, target: Target) -> Parcel | None:
        """Return an opened event; checkpoints are not forwarded."""
        if not isinstance(entry, OpenedEvent):
            return None
        return target.parcel(entry, entry.raw, _of_event(entry.event), self._schema.record(entry))

    def probe(self, event: AuditEvent, target: Target) -> Parcel:
        """Return an event of the forwarder's own."""
        raw = RawRecord(None, b"", Place("probe", 0, 0))
        opened = OpenedEvent(event, raw.place, sealed=False, raw=raw)
        return target.parcel(opened, raw, _of_event(event), self._schema.record(opened))


class SealedRendering:
    """Sends every record as ``telemetry export --sealed`` writes it, checkpoints included: a copy that can be verified."""

    def parcel(self, entry: Entry, target: Target) -> Parcel:
        """Return a record with its place."""
        return target.parcel(entry, entry.raw, _of_record(entry), msgspec.json.decode(write_line(entry.raw)))

    def probe(self, event: AuditEvent, target: Target) -> Parcel:
        """Return an event of the forwarder's own: nothing of it is a record."""
        raw = RawRecord(None, b"", Place("probe", 0, 0))
        opened = OpenedEvent(event, raw.place, sealed=False, raw=raw)
        return target.parcel(opened, raw, _of_event(event), {"id": event.id, "type": event.event_type})


def _of_event(event: AuditEvent) -> Described:
    logged = _seconds(event.time)
    return Described(
        id=event.id,
        event_type=event.event_type,
        time=_seconds(event.occurred_at) if event.occurred_at else logged,
        logged=logged,
        service=event.service_name,
        environment=event.environment,
        version=event.version,
        outcome=event.outcome,
        trace_id=event.trace_id,
        span_id=event.span_id,
    )


def _of_record(entry: Entry) -> Described:
    if isinstance(entry, SealedEntry):
        moment = _seconds(entry.time)
        return Described(entry.event_id, entry.event_type, moment, moment)
    if isinstance(entry, OpenedEvent):
        moment = _seconds(entry.event.time)
        return Described(entry.event.id, entry.event.clear_type, moment, moment)
    kind = "telemetry.checkpoint" if isinstance(entry, CheckpointEntry) else "telemetry.record"
    moment = entry.raw.timestamp or 0.0
    return Described(str(entry.place), kind, moment, moment)


def _seconds(text: str) -> Any:
    return parse_time(text).timestamp()

"""What is sent of an entry: a document in a schema, or the record as it was on the topic."""

from __future__ import annotations

import msgspec
import pytest

from telemetry.forward.rendering import OpenedRendering, SealedRendering
from telemetry.reader import CheckpointEntry, Entry, Place, RawRecord, SealedEntry
from telemetry.reader.mappings import CLOUDEVENTS, EVENT
from tests.support.parcels import entry, event_id
from tests.unit.forward.test_courier import Target

RAW = RawRecord(b"k", b'{"sealed":1}', Place("audit-events", 1, 5), 1_769_860_800.0)


def test_opened_event_in_a_schema() -> None:
    parcel = OpenedRendering(CLOUDEVENTS).parcel(entry(3), Target())
    assert parcel is not None
    assert (parcel.id, msgspec.json.decode(parcel.content)["specversion"]) == (event_id(3), "1.0")


def test_other_entries_are_not_opened_events() -> None:
    rendering = OpenedRendering(EVENT)
    assert rendering.parcel(CheckpointEntry("p", "note", RAW.place, RAW), Target()) is None


@pytest.mark.parametrize("kind", ["sealed", "checkpoint", "clear"])
def test_sealed_record_of_any_kind(kind: str) -> None:
    entries: dict[str, Entry] = {
        "sealed": SealedEntry("id-1", "p", 0, "order", "2026-01-31T12:00:00Z", RAW.place, RAW),
        "checkpoint": CheckpointEntry("p", "note", RAW.place, RAW),
        "clear": entry(3),
    }
    parcel = SealedRendering().parcel(entries[kind], Target())
    assert parcel.id == {"sealed": "id-1", "checkpoint": "audit-events[1]@5", "clear": event_id(3)}[kind]
    value = entries[kind].raw.value
    assert value is not None
    assert msgspec.json.decode(parcel.content)["value"] == value.decode()


def test_probe_has_no_content() -> None:
    event = entry(9, event_type="telemetry.probe", payload=None).event
    for rendering in (OpenedRendering(EVENT), SealedRendering()):
        parcel = rendering.probe(event, Target())
        assert msgspec.json.decode(parcel.content)["id"] == event_id(9)

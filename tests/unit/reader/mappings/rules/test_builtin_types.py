"""The built-in types of the catalogue are what the catalogue says in OCSF, without a catalogue."""

from __future__ import annotations

import pytest

from telemetry.catalog.builtin import builtin
from telemetry.catalog.event_type import EventType
from telemetry.reader.mappings.ocsf.mapping import OcsfMapping
from tests.support.some_events import opened


@pytest.mark.parametrize("kind", list(builtin), ids=lambda kind: kind.name)
def test_built_in_type_is_what_its_catalogue_says(kind: EventType) -> None:
    payload = {"role": "admin"} if kind.name.startswith("role.") else {}
    fields = {**kind.given, "entity_id": "u-9"} if kind.entity else dict(kind.given)
    mapping = OcsfMapping()

    record = mapping(opened(event_type=kind.name, payload=payload, **fields))

    assert (record["class_uid"], record["activity_id"]) == kind.ocsf
    assert mapping.lacking == {}
    if kind.name.startswith("role."):
        assert record["privileges"] == ["admin"]

"""The rules of every preset fit the published schema, and so do the events of its maker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded

from telemetry.format.value.members import Target
from telemetry.ingest.mapping.line_mapping import PLAIN, LineMapping
from telemetry.ingest.mapping.preset import extended
from telemetry.ingest.mapping.preset_file import load_preset, preset_names, preset_text
from telemetry.reader.mappings import ocsf_by_rules
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import parse_rules
from tests.support.ocsf_published import published as whole_schema
from tests.support.some_events import opened

FIXTURES = Path(__file__).parents[4] / "fixtures" / "presets"
_TEXTS = ("session_id", "actor_id", "actor_type", "tenant_id", "entity", "entity_id", "action", "outcome", "ip_address")


@pytest.mark.parametrize("name", preset_names())
def test_events_of_a_maker_fit_their_class(name: str) -> None:
    record_of = ocsf_by_rules(parse_rules(preset_text(name), name=name)).record
    mapping = LineMapping(extended(PLAIN, load_preset(name)))
    schemas = OcsfJsonSchemaEmbedded(whole_schema())
    for each in json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))["lines"]:
        event = mapping.event(each["line"])
        fields: dict[str, Any] = {key: event.fields[key] for key in _TEXTS if key in event.fields}
        fields["targets"] = tuple(Target(**thing) for thing in event.fields.get("targets", ()))

        record = record_of(opened(event_type=event.event_type, payload=event.payload, user_id=event.user_id, **fields))

        kind = published().classes[record["class_uid"]].name
        schema = schemas.get_class_schema(kind, record["metadata"].get("profiles", []))
        assert [
            error.message for error in Draft202012Validator(schema).iter_errors(json.loads(json.dumps(record)))
        ] == []

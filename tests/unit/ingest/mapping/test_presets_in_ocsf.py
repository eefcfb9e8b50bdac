"""What the packaged presets say about OCSF, on lines in their makers' forms, against the published schema."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded

from telemetry.format.value.members import Target
from telemetry.ingest.mapping.line_mapping import PLAIN, LineMapping
from telemetry.ingest.mapping.preset import OcsfRule, Preset, extended, patterns_of
from telemetry.ingest.mapping.preset_file import load_preset, preset_names, preset_text
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.ocsf_schema import published
from telemetry.reader.mappings.rules import parse_rules
from tests.support.maker_lines import maker_lines
from tests.support.ocsf_published import published as whole_schema
from tests.support.some_events import opened


@cache
def _validator(class_uid: int, profiles: tuple[str, ...]) -> Draft202012Validator:
    name = published().classes[class_uid].name
    schema = OcsfJsonSchemaEmbedded(whole_schema()).get_class_schema(name, list(profiles))
    return Draft202012Validator(schema)


def _rule_of(preset: Preset, event_type: str, source: str | None) -> OcsfRule:
    return next(
        rule
        for rule in preset.ocsf
        if any(fnmatchcase(event_type, pattern) for pattern in patterns_of(rule.type))
        and (rule.source is None or (source is not None and rule.source == source))
    )


def _record(mapping: OcsfMapping, line: dict[str, Any], lines: LineMapping) -> dict[str, Any]:
    event_type, payload, user_id, fields = lines.event(line)
    given = {name: value for name, value in fields.items() if name not in ("idempotency_key", "changes")}
    given["targets"] = tuple(Target(**each) for each in fields.get("targets", ()))
    record = mapping(opened(event_type=event_type, payload=payload, user_id=user_id, **given))
    return json.loads(json.dumps(record))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_makes_records_of_the_published_schema(name: str) -> None:
    preset = extended(PLAIN, load_preset(name))
    lines = LineMapping(preset)
    mapping = OcsfMapping(parse_rules(preset_text(name), name=name))

    for line in maker_lines(name):
        record = _record(mapping, line, lines)
        event = lines.event(line)
        assert mapping.lacking == {}, event.event_type
        rule = _rule_of(preset, event.event_type, event.fields.get("source"))
        assert (record["class_uid"], record["activity_id"]) == (rule.class_uid, rule.activity_id), event.event_type
        validator = _validator(record["class_uid"], tuple(record["metadata"].get("profiles", ())))
        assert [error.message for error in validator.iter_errors(record)] == []

"""Every packaged preset, on lines that are made up in its maker's form (``tests/fixtures/presets``)."""

from __future__ import annotations

import tomllib
from fnmatch import fnmatchcase
from typing import Any

import pytest

from telemetry.ingest.mapping.line_mapping import PLAIN, LineMapping, MappedEvent
from telemetry.ingest.mapping.preset import Preset, extended, patterns_of
from telemetry.ingest.mapping.preset_file import load_preset, preset_names, preset_text
from tests.support.maker_lines import maker_fixture, maker_lines, merged


def _preset(name: str) -> Preset:
    return extended(PLAIN, load_preset(name))


def _found(event: MappedEvent, name: str) -> Any:
    if name.startswith("metadata."):
        return event.fields.get("metadata", {}).get(name.removeprefix("metadata."))
    return event._asdict().get(name, event.fields.get(name))


EXPECTED = [
    pytest.param(name, number, id=f"{name}-{number}")
    for name in preset_names()
    for number in range(len(maker_fixture(name)["lines"]))
]


@pytest.mark.parametrize(("name", "number"), EXPECTED)
def test_a_makers_line_becomes_its_event(name: str, number: int) -> None:
    each = maker_fixture(name)["lines"][number]

    event = LineMapping(_preset(name)).event(each["line"])

    assert {key: _found(event, key) for key in each["is"]} == each["is"]
    assert event.payload == each["line"]


@pytest.mark.parametrize("name", preset_names())
def test_every_mapped_field_is_found_and_fits(name: str) -> None:
    mapping = LineMapping(_preset(name))
    for line in maker_lines(name):
        mapping.event(line)

    assert [field for field, count in mapping.tally.found.items() if not count] == []
    assert not mapping.tally.unfit
    assert mapping.tally.unknown_types == 0


@pytest.mark.parametrize("name", preset_names())
def test_every_event_class_has_a_line(name: str) -> None:
    preset = _preset(name)
    mapping = LineMapping(preset)
    types = {mapping.event(line).event_type for line in maker_lines(name)}

    unseen = [
        rule.type
        for rule in preset.ocsf
        if not any(fnmatchcase(type_, pattern) for type_ in types for pattern in patterns_of(rule.type))
    ]
    assert unseen == []


@pytest.mark.parametrize("name", preset_names())
def test_an_unknown_event_class_is_kept_and_counted(name: str) -> None:
    mapping = LineMapping(_preset(name))
    line = merged(maker_lines(name)[0], maker_fixture(name)["unknown"])

    assert mapping.event(line).payload == line
    assert mapping.tally.unknown_types == 1


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_names_its_source(name: str) -> None:
    preset = _preset(name)

    assert preset.schema.startswith("https://")
    assert preset.schema in preset_text(name).partition("summary =")[0]
    assert preset.id_scope == name
    assert preset.summary
    assert "ocsf" in tomllib.loads(preset_text(name))

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from telemetry.cli.app import app
from telemetry.cli.options.ingest import MappingOptions
from telemetry.ingest.mapping.line_mapping import PLAIN, LineMapping
from telemetry.ingest.mapping.preset import extended
from telemetry.ingest.mapping.preset_file import load_preset, preset_names
from telemetry.ingest.paths import compile_path

PAGE = (Path(__file__).parents[2] / "docs/mapping.md").read_text("utf-8")


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def _commands() -> list[str]:
    return _block("sh").replace("\\\n", " ").splitlines()


def test_the_page_lists_every_preset_with_its_link() -> None:
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| \[(.*)\]\((.*)\) \|$", PAGE, re.MULTILINE)

    presets = {name: load_preset(name) for name in preset_names()}
    assert rows == [(name, preset.summary, preset.schema) for name, preset in presets.items()]


@pytest.mark.parametrize("command", _commands())
def test_the_command_of_the_page_can_be_used(command: str) -> None:
    _, name, *arguments = shlex.split(command.partition(" < ")[0])
    command_of_page: Any = getattr(get_command(app), "commands")[name]  # noqa: B009 - typer's group is lazy
    given = command_of_page.make_context(name, arguments, resilient_parsing=True).params

    assert MappingOptions().build({option: given[option] for option in MappingOptions.options})


def test_the_paths_of_the_page_can_be_read() -> None:
    rows = PAGE.partition("## Paths")[2].partition("## Rules")[0]
    paths = [
        path for row in re.findall(r"^\| (`[^|]*`) \|", rows, re.MULTILINE) for path in re.findall(r"`([^`]+)`", row)
    ]

    assert len(paths) == 8
    for path in paths:
        compile_path(path, option="page")


def test_the_preset_of_the_page_maps_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(_block("toml"))
    line = json.loads(_block("json"))

    event = LineMapping(extended(PLAIN, load_preset(str(path)))).event(line)

    assert event.event_type == "workflows.completed_workflow_run"
    assert event.user_id == "ann"
    assert event.fields["outcome"] == "failure"
    assert event.fields["metadata"] == {"workflow": 7}


def test_the_page_names_every_table_of_a_preset() -> None:
    rows = PAGE.rpartition("| table | says |")[2]
    named = set(re.findall(r"`\[?\[?([a-z_]+)\]?\]?`", rows))

    tables = {key for name in preset_names() for key in tomllib.loads(_text(name))} - {"summary", "schema"}
    assert tables <= named


def _text(name: str) -> str:
    return (Path(__file__).parents[2] / f"src/telemetry/ingest/presets/{name}.toml").read_text("utf-8")

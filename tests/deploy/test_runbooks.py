"""Every alert leads to an entry of the runbook, and every command in it exists."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from telemetry.cli.app import app
from tests.support.alert_rules import rules
from tests.support.chart import ROOT
from tests.support.rule_metrics import series_names, used_names

PAGE = (ROOT / "docs/runbooks.md").read_text("utf-8")
ENTRIES = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
_GUIDES = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("kubernetes.md", "deployment.md"))
_OTHER_COMMANDS = set(re.findall(r"^\$ (telemetry .*)$", _GUIDES, re.MULTILINE))
COMMANDS = sorted(
    {line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()}
    | {line.partition(" > ")[0] for line in _OTHER_COMMANDS}
)


def test_every_alert_has_an_entry_and_no_other() -> None:
    assert list(ENTRIES) == list(rules())


@pytest.mark.parametrize("name", list(rules()))
def test_an_alert_links_to_its_entry(name: str) -> None:
    rule = rules()[name]
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
    assert ENTRIES[name].lstrip().startswith(f"**{rule['labels']['severity'].capitalize()}.**")
    for part in ("- First look", "- Cause", "- Mend: ", "- Over "):
        assert part in ENTRIES[name], f"{name} has no {part}"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_exists(command: str) -> None:
    program, *words = command.split()
    assert program == "telemetry"
    names = [word for word in words if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
    shown = CliRunner().invoke(app, [*names, "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    for option in [word for word in words if word.startswith("-")]:
        assert re.search(rf"(?<!\S){re.escape(option)}\b", shown.output), f"{option} is no option of {names}"


def test_metrics_of_the_page_exist() -> None:
    assert used_names(PAGE) <= series_names()

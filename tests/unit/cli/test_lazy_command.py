from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from telemetry.cli.app import COMMANDS, app
from telemetry.cli.lazy_command import Entry, LazyCommand


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_table_agrees_with_the_command(entry: Entry) -> None:
    command = LazyCommand(entry).load()

    assert command.name == entry.name
    assert command.help.split("\n\n")[0] == entry.help


def _parts(command: Any) -> Iterator[Any]:
    """Yield the commands of a group, and of the groups in it."""
    if isinstance(command, LazyCommand):
        command = command.load()
    if not hasattr(command, "commands"):
        yield command
        return
    for part in command.commands.values():
        yield from _parts(part)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_shows_an_example(entry: Entry) -> None:
    for part in _parts(LazyCommand(entry).load()):
        assert f"telemetry {entry.name}" in part.epilog


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("telemetry ke", ["keys"]),
        ("telemetry ve", ["verify", "verify-proof", "verify-evidence"]),
        ("telemetry keys init", ["init", "init-signing"]),
        ("telemetry verify --rep", ["--report"]),
    ],
)
def test_shell_completion(words: str, completed: list[str]) -> None:
    environment = {"_TELEMETRY_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}

    done = CliRunner().invoke(app, env=environment, prog_name="telemetry")

    assert done.stdout.split() == completed


def test_completing_a_name_loads_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in COMMANDS:
        monkeypatch.delitem(sys.modules, entry.module, raising=False)
    environment = {"_TELEMETRY_COMPLETE": "complete_bash", "COMP_WORDS": "telemetry t", "COMP_CWORD": "1"}

    done = CliRunner().invoke(app, env=environment, prog_name="telemetry")

    assert done.stdout.split() == ["tail", "trust", "topic"]
    assert not [entry.module for entry in COMMANDS if entry.module in sys.modules]


def test_wrong_name_suggests_the_right_one() -> None:
    done = CliRunner().invoke(app, ["verfy"])

    assert done.exit_code == 2
    assert "'verify'" in done.stderr

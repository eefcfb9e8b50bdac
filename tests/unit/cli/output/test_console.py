from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from telemetry.cli.commands.read import tail
from telemetry.cli.output.console import escape_control, escape_markup, fail
from telemetry.exceptions import ConfigurationError, Problem, StorageError
from telemetry.format.value.event import AuditEvent


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Grüße 日本 😀", "plain Grüße 日本 😀"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u200b\u2028", "\\u200b\\u2028"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_terminal_control_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escape_control(text) == shown


def test_hostile_event_prints_one_harmless_line() -> None:
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=False, soft_wrap=True)
    hostile = "\x1b[31m[bold]x[/bold]\u202e\n"
    event = AuditEvent(
        id="i",
        time="2026-01-31T12:00:00.000000Z",
        event_type=hostile,
        user_id=hostile,
        payload={hostile: hostile},
        service_name="s",
        environment="e",
        producer="p",
        sequence=0,
        schema_version=1,
    )

    terminal.print(tail._line(event, sealed=True))

    assert written.getvalue().count("\n") == 1
    assert "\x1b" not in written.getvalue()
    assert "\u202e" not in written.getvalue()
    assert "[bold]x[/bold]" in written.getvalue()


def test_markup_is_shown_as_it_is() -> None:
    assert Text.from_markup(escape_markup("[bold]x[/]\x1b")).plain == "[bold]x[/]\\x1b"


def test_every_problem_is_shown_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    error = ConfigurationError(Problem("one", "is wrong", "correct it"), Problem("two", "is missing", "set it"))

    assert fail(error).exit_code == 2
    shown = capsys.readouterr().err
    assert shown.count("error:") == 2
    assert "correct it" in shown
    assert "set it" in shown


def test_error_ends_with_its_own_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(StorageError("the store [/bold] is away")).exit_code == 6
    assert "the store [/bold] is away" in capsys.readouterr().err

from __future__ import annotations

import io

import msgspec
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetry.cli.output.console import (
    NeutralConsole,
    escape_control,
    escape_json,
    escape_markup,
    fail,
    write_line,
)
from telemetry.cli.output.event_line import event_line
from telemetry.exceptions import ConfigurationError, Problem, StorageError
from telemetry.format.value.event import AuditEvent
from telemetry.reader import OpenedEvent, Place, RawRecord


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

    place = Place("t", 0, 0)
    terminal.print(event_line(OpenedEvent(event, place, sealed=True, raw=RawRecord(None, None, place))))

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


@pytest.mark.parametrize("text", ["\x9b31m", "\u202e\u2066", "\x7f\x80", "\U000e0041", "Grüße 😀", "\\u202e"])
def test_escaped_json_means_the_same(text: str) -> None:
    line = msgspec.json.encode({"name": text}).decode()
    assert escape_json(line).isprintable()
    assert msgspec.json.decode(escape_json(line)) == {"name": text}


def test_console_shows_no_control_of_a_text() -> None:
    written = io.StringIO()
    console = NeutralConsole(file=written, force_terminal=True, soft_wrap=True, highlight=False)
    table = Table("name")
    table.add_row("\x9b2J\x1b]0;pwned\x07")

    console.print("[red]\x1b[1A\u202e[/]", "two\nlines", table)

    shown = written.getvalue()
    assert "\x1b[31m\\x1b" in shown
    assert "two\nlines" in shown
    for character in ("\x9b", "\x1b]", "\x1b[1A", "\u202e", "\x07"):
        assert character not in shown


def test_line_for_a_terminal_is_neutral(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = _Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        monkeypatch.setattr("sys.stdout", stream)
        write_line('{"type":"\x9b2J\u202e"}')

    assert terminal.getvalue() == '{"type":"\\u009b2J\\u202e"}\n'
    assert pipe.getvalue() == '{"type":"\x9b2J\u202e"}\n'


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

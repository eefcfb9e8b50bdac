from __future__ import annotations

import io

import pytest
from rich.console import Console

from telemetry.cli.commands.read import tail
from telemetry.cli.output.console import escape_control
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
def test_what_could_steer_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert escape_control(text) == shown


def test_an_event_full_of_escape_sequences_and_markup_prints_one_harmless_line() -> None:
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

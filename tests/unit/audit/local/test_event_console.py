from __future__ import annotations

import io
import threading

import pytest

from telemetry.audit.local.event_console import EventConsole
from tests.support.some_events import make_event


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_each_event_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console = EventConsole()

    console.add(make_event(event_type="first"), size=1)
    console.add(make_event(event_type="second"), size=1)

    captured = capsys.readouterr()
    assert [line.split("  ")[2] for line in captured.err.splitlines()] == ["first", "second"]
    assert captured.out == ""
    assert "\x1b" not in captured.err


def test_terminal_gets_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()

    EventConsole(terminal).add(make_event(), size=1)

    assert "\x1b[33maudit (not sent)\x1b[0m" in terminal.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_terminal_without_colours_is_respected(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    terminal = Terminal()

    EventConsole(terminal).add(make_event(), size=1)

    assert "\x1b" not in terminal.getvalue()


def test_closed_stream_fails_no_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    EventConsole(stream).add(make_event(), size=1)
    monkeypatch.setattr("sys.stderr", None)

    EventConsole().add(make_event(), size=1)


def test_lines_of_threads_do_not_mix() -> None:
    stream = io.StringIO()
    console = EventConsole(stream)

    def log() -> None:
        for _ in range(200):
            console.add(make_event(payload="x" * 500), size=1)

    threads = [threading.Thread(target=log) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(set(stream.getvalue().splitlines())) == 1
    assert stream.getvalue().count("\n") == 800

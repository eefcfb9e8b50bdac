"""Enter in the terminal is noticed, and nothing else ever stops the command."""

from __future__ import annotations

import asyncio
import io
import os
import sys

import pytest

if sys.platform == "win32":
    pytest.skip("there is no such terminal", allow_module_level=True)

import pty
import termios
from collections.abc import Iterator

from telemetry.cli.exploring import enter_key
from telemetry.cli.exploring.enter_key import watch_enter


class Person:
    def __init__(self) -> None:
        self.pressed = asyncio.Event()

    def enter_pressed(self) -> None:
        self.pressed.set()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        # The terminal of the tests belongs to no session of theirs.
        monkeypatch.setattr(enter_key, "_is_in_front", os.isatty)
        yield ours
    os.close(ours)


async def test_each_press_is_told(terminal: int) -> None:
    person = Person()
    assert watch_enter(person)
    for _ in range(3):
        os.write(terminal, b"\n")
        await asyncio.wait_for(person.pressed.wait(), 60)
        person.pressed.clear()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


async def test_end_of_the_terminal_ends_it(terminal: int) -> None:
    person, loop, number = Person(), asyncio.get_running_loop(), sys.stdin.fileno()
    assert watch_enter(person)
    os.write(terminal, termios.tcgetattr(terminal)[6][termios.VEOF])
    # The loop finds it readable, whenever it looks; here that is now.
    enter_key._read(number, person)
    assert not loop.remove_reader(number)
    assert not person.pressed.is_set()


async def test_command_in_the_background_does_not_read(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
    person, loop, number = Person(), asyncio.get_running_loop(), sys.stdin.fileno()
    assert watch_enter(person)
    monkeypatch.setattr(enter_key, "_is_in_front", lambda _number: False)
    os.write(terminal, b"\n")
    enter_key._read(number, person)
    assert not loop.remove_reader(number)
    assert not person.pressed.is_set()
    assert not watch_enter(person)


async def test_input_that_is_no_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for absent in (io.StringIO("\n"), None):
        monkeypatch.setattr(sys, "stdin", absent)
        assert not watch_enter(Person())
    read, write = os.pipe()
    with os.fdopen(read) as stdin, os.fdopen(write, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert not watch_enter(Person())

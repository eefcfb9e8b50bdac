"""Notices that Enter is pressed in the terminal of a command that runs an event loop."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Protocol

_READ_BYTES = 1_024


class Pressed(Protocol):
    """Is told of the key."""

    def enter_pressed(self) -> None:
        """Do what the key is for."""


def watch_enter(target: Pressed) -> bool:
    """Tell an object each time Enter is pressed, for as long as the loop of this thread runs; return whether that works here.

    It ends when the command is moved to the background: to read there would stop the process (termios(3), SIGTTIN).
    """
    try:
        number = sys.stdin.fileno()
        if not _is_in_front(number):
            return False
        asyncio.get_running_loop().add_reader(number, _read, number, target)
    except (AttributeError, OSError, ValueError, NotImplementedError):
        # No terminal, or none that a loop can wait for, as on Windows.
        return False
    return True


def _read(number: int, target: Pressed) -> None:
    try:
        typed = os.read(number, _READ_BYTES) if _is_in_front(number) else b""
    except OSError:
        typed = b""
    if typed:
        target.enter_pressed()
    else:
        asyncio.get_running_loop().remove_reader(number)


def _is_in_front(number: int) -> bool:
    return os.isatty(number) and os.tcgetpgrp(number) == os.getpgrp()

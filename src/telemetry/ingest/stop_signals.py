"""Turns the signals that end a process into a question that its loop asks, and into the end of a wait."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
_BASE = 128
"""A shell reports a process that a signal ended with this number more than the signal's."""


class StopSignals:
    """Knows whether the process was asked to end. The first signal counts, and later ones change nothing.

    The signals are caught inside the ``with`` block. Outside the main thread Python lets nobody catch one: there the
    program that runs the command decides.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._is_asked = False
        self._former: dict[int, Any] = {}
        self._woken, self._waker = os.pipe()
        if sys.platform != "win32":
            os.set_blocking(self._waker, False)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name, None) for name in _NAMES):
                # A signal that was ignored stays so: `nohup` protects from SIGHUP in this way.
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._catch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._waker)

    @property
    def is_asked(self) -> bool:
        """Whether a signal came, or :meth:`ask` was called."""
        return self._is_asked

    @property
    def exit_code(self) -> int:
        """The code with which a process ends that a signal asked to end: 130, 143 or 129; 0 if none came."""
        return 0 if self._signal is None else _BASE + self._signal

    @property
    def name(self) -> str:
        """The signal's name; empty if none came."""
        return "" if self._signal is None else signal.Signals(self._signal).name

    def wait_readable(self, descriptor: int) -> bool:
        """Wait until there is something to read, or until a signal comes.

        Args:
            descriptor: A pipe, a terminal, a socket or a file.

        Returns:
            Whether there is; false once a signal came.
        """
        # Windows waits for sockets only: there a signal ends the reading after the next bytes.
        if sys.platform != "win32":
            select.select([descriptor, self._woken], [], [])
        return not self.is_asked

    def pause(self, seconds: float) -> bool:
        """Wait for some time, or until a signal comes; return whether one did."""
        if sys.platform == "win32":
            threading.Event().wait(seconds)
        else:
            select.select([self._woken], [], [], seconds)
        return self.is_asked

    def ask(self) -> None:
        """End all waits without a signal; any thread may call it."""
        self._is_asked = True
        with contextlib.suppress(OSError):  # full of such bytes, or closed already
            os.write(self._waker, b"!")

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        # Runs in the main thread between two of its steps. The byte ends a wait that began before, or begins now.
        if self._signal is None:
            self._signal = number
            self.ask()

"""Turns SIGTERM and SIGHUP into the exception of Ctrl-C, so that a command removes what it had begun to write."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_BASE = 128
"""A shell reports a process that a signal ended with this number more than the signal's."""
_NAMES = ("SIGTERM", "SIGHUP")


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code_of(interrupt: KeyboardInterrupt) -> int:
    """Return the code with which a command ends that was interrupted: 143, 129, or 130 for Ctrl-C."""
    return _BASE + (interrupt.number if isinstance(interrupt, Terminated) else signal.SIGINT)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Raise :class:`Terminated` in the block when the first such signal comes; later ones change nothing.

    A signal that is ignored (``nohup``), or that the program handles, stays as it is. Outside the main thread Python lets
    nobody catch one.
    """
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        if not caught:
            caught.append(number)
            raise Terminated(number)

    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    is_main = threading.current_thread() is threading.main_thread()
    taken = [number for number in numbers if is_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, catch)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)

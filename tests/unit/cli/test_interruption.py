"""A signal ends a command as Ctrl-C does, once, and only where nobody else handles it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from telemetry.cli.interruption import Terminated, exit_code_of, interrupted_by_signals

NUMBERS = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _usual_handlers() -> Iterator[None]:
    former = [signal.signal(number, signal.SIG_DFL) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, former, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_signal_interrupts_the_block(number: signal.Signals, code: int) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, interrupted_by_signals():
        signal.raise_signal(number)

    assert exit_code_of(caught.value) == code
    assert signal.getsignal(number) is signal.SIG_DFL


def test_second_signal_spares_the_cleaning() -> None:
    cleaned = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGHUP)
            cleaned.append(True)

    with pytest.raises(Terminated), interrupted_by_signals():
        work()

    assert cleaned


def test_ctrl_c_keeps_its_code() -> None:
    assert exit_code_of(KeyboardInterrupt()) == 130


def test_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    with interrupted_by_signals():
        signal.raise_signal(signal.SIGHUP)

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_thread_changes_no_handler() -> None:
    seen = []

    def look() -> None:
        with interrupted_by_signals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(60)

    assert seen == [signal.SIG_DFL]

from __future__ import annotations

import threading

from telemetry.audit.accept.waiting_timer import WaitingTimer
from tests.support.until import until


class Line:
    """A line whose events expire when the test says so."""

    def __init__(self) -> None:
        self.is_waiting = True
        self.may_expire = False
        self.asked = 0

    def expire(self) -> float | None:
        self.asked += 1
        if self.may_expire:
            self.is_waiting = False
        return 0.01 if self.is_waiting else None


def _watch(timer: WaitingTimer, lock: threading.Lock, line: Line) -> None:
    with lock:
        worker = timer.watch(line)
    if worker is not None:
        worker.start()


def test_one_thread_serves_all_lines() -> None:
    lock = threading.Lock()
    timer = WaitingTimer(lock)
    before = {thread.ident for thread in threading.enumerate()}
    lines = [Line() for _ in range(20)]
    for line in lines:
        _watch(timer, lock, line)

    until(lambda: all(line.asked for line in lines))
    started = [thread for thread in threading.enumerate() if thread.ident not in before]
    assert [thread.name for thread in started] == ["telemetry-waiting"]
    timer.stop()
    until(lambda: not started[0].is_alive())


def test_line_without_events_is_forgotten_until_one_waits_again() -> None:
    lock = threading.Lock()
    timer = WaitingTimer(lock)
    empty, other = Line(), Line()
    _watch(timer, lock, empty)
    _watch(timer, lock, other)
    empty.may_expire = True
    until(lambda: not timer._lines.keys() & {empty})
    asked = empty.asked
    before = other.asked
    until(lambda: other.asked > before + 3)
    assert empty.asked == asked

    empty.may_expire, empty.is_waiting = False, True
    _watch(timer, lock, empty)

    until(lambda: empty.asked > asked)
    timer.stop()

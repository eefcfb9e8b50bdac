"""A fork waits for calls to SQLite, and finds every lock free in parent and child."""

from __future__ import annotations

import gc
import os
import threading
import time

import pytest

from telemetry.system import fork_gate
from telemetry.system.fork_gate import ForkGate, GatedLock

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
_gate = ForkGate()
"""One for the file: a gate registers with the process for good."""


def exit_code_of_child(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fork_and_try(lock: GatedLock) -> int:
    """Return 0 if the child could take the lock."""
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=60) else 1)
    return exit_code_of_child(child)


def test_fork_waits_for_a_held_lock() -> None:
    lock, entered, events = _gate.new_lock(), threading.Event(), list[str]()

    def call_sqlite() -> None:
        with lock:
            entered.set()
            time.sleep(0.3)
            events.append("call ended")

    caller = threading.Thread(target=call_sqlite)
    caller.start()
    assert entered.wait(10)

    code = fork_and_try(lock)
    events.append("forked")
    caller.join(10)

    assert events == ["call ended", "forked"]
    assert code == 0, "the lock was held in the child"
    assert lock.acquire(timeout=60), "the lock was held in the parent"
    lock.release()


def test_fork_waits_while_a_file_is_opened() -> None:
    entered, events = threading.Event(), list[str]()

    def open_file() -> None:
        with _gate.opening():
            entered.set()
            time.sleep(0.3)
            events.append("opened")

    opener = threading.Thread(target=open_file)
    opener.start()
    assert entered.wait(10)

    assert fork_and_try(_gate._opening) == 0
    events.append("forked")
    opener.join(10)

    assert events == ["opened", "forked"]


def test_hanging_disk_does_not_prevent_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    free, stuck = _gate.new_lock(), _gate.new_lock()
    assert stuck.acquire()
    monkeypatch.setattr(fork_gate, "_PATIENCE", 0.05)

    assert fork_and_try(free) == 0

    # The lock of the hanging call is left to its holder.
    assert not stuck.acquire(timeout=0.01)
    stuck.release()
    assert free.acquire(timeout=60)
    free.release()


def test_forgotten_lock_is_not_waited_for() -> None:
    gc.collect()
    before = len(_gate._locks)
    lock = _gate.new_lock()
    assert lock.acquire()
    assert len(_gate._locks) == before + 1

    del lock
    gc.collect()

    assert len(_gate._locks) == before

from __future__ import annotations

import gc

from telemetry.audit.local.captures import Captures
from telemetry.audit.local.event_memory import EventMemory
from tests.support.some_events import make_event


class Follower:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.changes = 0

    def capture_changed(self) -> None:
        self.changes += 1


def test_each_active_capture_gets_the_event() -> None:
    captures, outer, inner = Captures(), EventMemory(), EventMemory()
    captures.begin(outer)
    captures.add(make_event(), size=1)
    captures.begin(inner)
    captures.add(make_event(), size=1)
    captures.end(inner)
    captures.add(make_event(), size=1)

    assert (len(outer), len(inner)) == (3, 1)


def test_captures_may_end_in_any_order() -> None:
    captures, first, second = Captures(), EventMemory(), EventMemory()
    captures.begin(first)
    captures.begin(second)

    captures.end(first)

    captures.add(make_event(), size=1)
    assert (captures.is_active, len(first), len(second)) == (True, 0, 1)
    captures.end(second)
    assert not captures.is_active


def test_follower_learns_of_begin_and_end() -> None:
    captures, follower, memory = Captures(), Follower(), EventMemory()
    captures.follow(follower)

    captures.begin(memory)
    assert follower.changes == 1

    captures.end(memory)
    assert follower.changes == 2


def test_forgotten_follower_is_not_kept_alive() -> None:
    captures = Captures()
    captures.follow(Follower())
    gc.collect()

    assert len(captures._followers) == 0


def test_locks_of_a_parent_stop_no_child() -> None:
    captures, memory = Captures(), EventMemory()
    captures.begin(memory)
    captures._lock.acquire()
    memory._lock.acquire()

    captures.renew_after_fork()

    captures.add(make_event(), size=1)
    captures.end(memory)
    assert len(memory) == 1

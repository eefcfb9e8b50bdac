"""What ``memory:`` keeps is bounded; the oldest events are dropped and counted."""

from __future__ import annotations

import os
import threading

import pytest

from telemetry.audit.local.event_memory import EventMemory, memory_of_process
from tests.support.some_events import make_event


def _fill(memory: EventMemory, sizes: list[int]) -> None:
    for number, size in enumerate(sizes):
        memory.add(make_event(sequence=number), size=size)


def _numbers(memory: EventMemory) -> list[int]:
    return [event.sequence for event in memory.events()]


def test_oldest_events_make_room_for_new_ones() -> None:
    memory = EventMemory(max_events=3)

    _fill(memory, [1] * 5)

    assert (_numbers(memory), len(memory), memory.dropped) == ([2, 3, 4], 3, 2)


def test_large_events_drop_several_small_ones() -> None:
    memory = EventMemory(max_bytes=100)

    _fill(memory, [40, 40, 20, 70])

    assert (_numbers(memory), memory.dropped) == ([2, 3], 2)


def test_event_above_the_bound_is_kept_alone() -> None:
    memory = EventMemory(max_bytes=100)

    _fill(memory, [40, 400])
    assert _numbers(memory) == [1]

    _fill(memory, [40])
    assert (_numbers(memory), memory.dropped) == ([0], 2)


def test_clearing_frees_the_room() -> None:
    memory = EventMemory(max_events=2, max_bytes=10)
    _fill(memory, [5, 5, 5])

    memory.clear()
    assert (len(memory), memory.dropped) == (0, 0)

    _fill(memory, [5, 5])
    assert memory.dropped == 0


def test_threads_lose_no_event() -> None:
    memory = EventMemory(max_events=None, max_bytes=None)
    threads = [threading.Thread(target=_fill, args=(memory, [1] * 500)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(memory) == 2_000


def test_lock_of_a_parent_stops_no_child() -> None:
    memory = EventMemory()
    memory._lock.acquire()

    memory.renew_after_fork()

    _fill(memory, [1])
    assert len(memory) == 1


def test_child_begins_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = memory_of_process()
    assert memory_of_process() is ours

    child = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)

    assert memory_of_process() is not ours
    assert len(memory_of_process()) == 0

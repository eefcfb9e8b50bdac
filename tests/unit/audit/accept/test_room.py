from __future__ import annotations

import threading

from telemetry.audit.accept.room import Room


class Waiting:
    """A line of events that wait, which takes room as the intake does."""

    def __init__(self, bounded: Room, lock: threading.Lock, *, events: int, lacks_key: bool = False) -> None:
        self._room = bounded
        self._lock = lock
        self.left = events
        self.lacks_key = lacks_key
        self.turns: list[int] = []
        self.requests = 0

    @property
    def is_waiting(self) -> bool:
        return self.left > 0

    def accept_waiting(self, most: int) -> int:
        assert self._lock.locked()
        accepted = 0
        while self.left and accepted < most and not self.lacks_key and self._room.fits(0):
            take(self._room, 1)
            self.left -= 1
            accepted += 1
        self.turns.append(accepted)
        return accepted

    def request_key(self) -> None:
        assert not self._lock.locked(), "a key that is there already is delivered in this call, and takes the lock"
        self.requests += 1


def room(*, max_events: int = 10, max_bytes: int = 100_000) -> Room:
    return Room(lock=threading.Lock(), max_events=max_events, max_bytes=max_bytes)


def take(bounded: Room, size: int) -> None:
    """Take room as the intake does."""
    bounded.free_events -= 1
    bounded.free_bytes -= size


def test_events_are_bounded() -> None:
    bounded = room(max_events=2)
    take(bounded, 100)
    assert bounded.fits(10)
    take(bounded, 100)

    assert not bounded.fits(10)
    bounded.give_back(1, 100)
    assert bounded.fits(10)


def test_bytes_are_bounded_by_the_sealed_size() -> None:
    bounded = room(max_bytes=10_000)
    take(bounded, 2_000)

    # Sealed, an event has four thirds of its size and up to a KiB around it.
    assert bounded.fits(5_200)
    assert not bounded.fits(5_300)


def test_event_larger_than_the_bound_passes_alone() -> None:
    bounded = room(max_bytes=10_000)

    assert bounded.fits(1 << 20)
    take(bounded, 1 << 20)
    assert not bounded.fits(1)
    bounded.give_back(1, 1 << 20)
    assert bounded.fits(1)


def test_used_is_what_was_taken() -> None:
    bounded = room()
    take(bounded, 1_000)
    take(bounded, 500)
    bounded.give_back(1, 1_000)

    assert bounded.used == (1, 500)


def test_withheld_bytes_stay_used_until_released() -> None:
    bounded = room(max_bytes=10_000)
    take(bounded, 4_000)
    take(bounded, 4_000)

    bounded.withhold(3_000)
    bounded.give_back(1, 4_000)
    assert bounded.used == (1, 7_000)

    bounded.withhold(0)
    bounded.give_back(1, 4_000)
    assert bounded.used == (0, 0)


def test_withheld_bytes_are_withheld_once() -> None:
    bounded = room(max_bytes=10_000)
    for _ in range(3):
        take(bounded, 1_000)
        bounded.withhold(500)
        bounded.give_back(1, 1_000)

    assert bounded.used == (0, 500)


def test_waiters_are_offered_returned_room() -> None:
    lock = threading.Lock()
    bounded = Room(lock=lock, max_events=1, max_bytes=10_000)
    one, another = Waiting(bounded, lock, events=1), Waiting(bounded, lock, events=1, lacks_key=True)
    bounded.add_waiter(one)
    bounded.add_waiter(another)

    bounded.give_back(0, 0)

    assert (one.left, one.requests) == (0, 0)
    assert (another.left, another.requests) == (1, 1)


def test_lines_get_room_in_turn() -> None:
    lock = threading.Lock()
    bounded = Room(lock=lock, max_events=104, max_bytes=1 << 20)
    long, short = Waiting(bounded, lock, events=1_000), Waiting(bounded, lock, events=40)
    bounded.add_waiter(long)
    bounded.add_waiter(short)

    bounded.give_back(0, 0)

    assert short.left == 0, "the long line is first, and leaves room for the other one"
    assert long.left == 936


def test_line_that_was_first_is_last_next_time() -> None:
    lock = threading.Lock()
    bounded = Room(lock=lock, max_events=1, max_bytes=10_000)
    one, another = Waiting(bounded, lock, events=5), Waiting(bounded, lock, events=5)
    bounded.add_waiter(one)
    bounded.add_waiter(another)

    for _ in range(4):
        bounded.give_back(0 if bounded.free_events else 1, 0)

    assert (one.left, another.left) == (3, 3)


def test_line_without_events_is_not_asked_again() -> None:
    lock = threading.Lock()
    bounded = Room(lock=lock, max_events=5, max_bytes=10_000)
    line = Waiting(bounded, lock, events=1)
    bounded.add_waiter(line)

    for _ in range(3):
        bounded.give_back(0, 0)

    assert line.turns == [1]

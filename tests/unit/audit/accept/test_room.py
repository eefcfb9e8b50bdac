from __future__ import annotations

import threading

from telemetry.audit.accept.room import Room


class Waiting:
    """Waiting calls that remember when they were offered room."""

    def __init__(self, lock: threading.Lock, *, needs_key: bool = False) -> None:
        self._lock = lock
        self._needs_key = needs_key
        self.offers = 0
        self.requests = 0

    def accept_waiting(self) -> bool:
        assert self._lock.locked()
        self.offers += 1
        return self._needs_key

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
    bounded = Room(lock=lock, max_events=1, max_bytes=1_000)
    one, another = Waiting(lock), Waiting(lock, needs_key=True)
    bounded.add_waiter(one)
    bounded.add_waiter(another)

    bounded.give_back(0, 0)

    assert (one.offers, one.requests) == (1, 0)
    assert (another.offers, another.requests) == (1, 1)

"""One holder at a time, even if processes stop, sleep, die, answer late, or have a wrong clock."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from telemetry.exceptions import StorageError, StorageUnreachableError
from telemetry.storage import lease
from telemetry.storage.lease import CLOCK_MARGIN, LeaseWatch, _Lease
from tests.support.memory_store import MemoryStore

SECONDS = 10.0


class Clock:
    """A machine's clocks, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.ahead = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000.0 + self.now + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(lease, "time", clock)
    return clock


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def contender(store: MemoryStore, watch: LeaseWatch | None = None) -> _Lease:
    return _Lease(store, "replay", owner="somebody", seconds=SECONDS, watch=watch or LeaseWatch())


def epochs(store: MemoryStore) -> list[int]:
    return [int(name.rpartition("/")[2]) for name in sorted(store.objects)]


def renew(held: _Lease) -> bool:
    return held._claim(held._epoch + 1)


def test_second_contender_does_not_get_it(clock: Clock, store: MemoryStore) -> None:
    first, second = contender(store), contender(store)
    assert first.acquire()
    assert not second.acquire()
    assert (first.is_held, second.is_held) == (True, False)


def test_holder_that_cannot_renew_stops_in_time(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()
    clock.now += SECONDS - 0.001
    assert holder.is_held
    clock.now += 0.001
    assert not holder.is_held


def test_renewal_keeps_it_and_leaves_one_object(clock: Clock, store: MemoryStore) -> None:
    holder, other = contender(store), contender(store)
    assert holder.acquire()
    for _ in range(20):
        clock.now += SECONDS / 3
        assert renew(holder)
        assert not other.acquire()
    assert epochs(store) == [21]


def test_dead_holder_is_replaced_by_its_watcher(clock: Clock, store: MemoryStore) -> None:
    watch = LeaseWatch()
    assert contender(store).acquire()
    assert not contender(store, watch).acquire()
    clock.now += SECONDS * 1.1
    assert not contender(store, watch).acquire()
    clock.now += 0.001
    heir = contender(store, watch)
    assert heir.acquire()
    assert epochs(store) == [2]


def test_newcomer_replaces_dead_holder_after_margin(clock: Clock, store: MemoryStore) -> None:
    assert contender(store).acquire()
    clock.now += SECONDS + CLOCK_MARGIN
    assert not contender(store).acquire()
    clock.now += 0.001
    assert contender(store).acquire()


def test_contender_clock_ahead_within_the_margin(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()
    clock.ahead = CLOCK_MARGIN - 0.001
    clock.now += SECONDS - 0.001
    assert not contender(store).acquire()
    clock.ahead = 0.0
    assert holder.is_held


def test_contender_clock_an_hour_late(clock: Clock, store: MemoryStore) -> None:
    watch = LeaseWatch()
    assert contender(store).acquire()
    clock.ahead = -3_600.0
    assert not contender(store, watch).acquire()
    clock.now += SECONDS * 1.1 + 0.001
    assert contender(store, watch).acquire()


def test_clock_set_back_does_not_prolong_it(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()
    clock.ahead = -3_600.0
    clock.now += SECONDS
    assert not holder.is_held


def test_machine_that_slept_knows_that_it_lost(clock: Clock, store: MemoryStore) -> None:
    # While it sleeps the monotonic clock stops, and only the wall clock goes on.
    holder = contender(store)
    assert holder.acquire()
    clock.ahead += 3_600.0
    assert not holder.is_held


def test_released_lock_is_free_at_once(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()
    holder.start_renewing()
    holder.release()
    assert not holder.is_held
    assert epochs(store) == [2]
    assert contender(store).acquire()
    assert epochs(store) == [3]


def test_stopped_holder_cannot_reuse_a_number(clock: Clock, store: MemoryStore) -> None:
    # A is stopped just before it creates epoch 2. B takes over, renews, and is gone; all low numbers are free again.
    stopped = contender(store)
    assert stopped.acquire()
    acted: list[str] = []

    def others_act(operation: str, name: str) -> None:
        if operation == "put" and not acted:
            acted.append(name)
            clock.ahead += SECONDS + CLOCK_MARGIN + 1
            second = contender(store)
            assert second.acquire()
            assert renew(second)
            clock.ahead -= SECONDS + CLOCK_MARGIN + 1

    store.before = others_act
    assert not renew(stopped)
    assert acted
    assert epochs(store) == [3]


def test_slow_contender_cannot_reuse_a_number(clock: Clock, store: MemoryStore) -> None:
    # It lists an expired epoch 1; before it creates epoch 2, others have come to epoch 3.
    assert contender(store).acquire()
    clock.now += SECONDS + CLOCK_MARGIN + 1
    winners: list[_Lease] = []

    def others_act(operation: str, name: str) -> None:
        if operation == "put" and not winners:
            winners.append(contender(store))
            assert winners[0].acquire()
            assert renew(winners[0])

    store.before = others_act
    slow = contender(store)
    assert not slow.acquire()
    assert (slow.is_held, winners[0].is_held) == (False, True)


def test_race_for_the_next_number(clock: Clock, store: MemoryStore) -> None:
    assert contender(store).acquire()
    clock.now += SECONDS + CLOCK_MARGIN + 1
    winners: list[_Lease] = []

    def another_is_faster(operation: str, name: str) -> None:
        if operation == "put" and not winners:
            winners.append(contender(store))
            assert winners[0].acquire()

    store.before = another_is_faster
    assert not contender(store).acquire()
    assert winners[0].is_held


def test_store_away_for_a_while(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()

    def away(operation: str, name: str) -> None:
        raise StorageUnreachableError(name)

    store.before = away
    clock.now += SECONDS / 2
    with pytest.raises(StorageUnreachableError):
        renew(holder)
    assert holder.is_held
    store.before = lambda _operation, _name: None
    assert renew(holder)
    clock.now += SECONDS - 0.001
    assert holder.is_held


def test_lost_answer_to_a_renewal(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()

    def lose_the_answer(operation: str, name: str) -> None:
        if operation == "list":
            raise StorageUnreachableError(name)

    store.before = lose_the_answer
    clock.now += SECONDS / 3
    with pytest.raises(StorageUnreachableError):
        renew(holder)
    assert epochs(store) == [1, 2]
    store.before = lambda _operation, _name: None
    clock.now += SECONDS / 3
    assert renew(holder)
    assert epochs(store) == [2]
    # It counts from the first attempt, which is what the object says to others.
    clock.now += SECONDS * 2 / 3
    assert not holder.is_held


def test_next_renewal_repeats_a_failed_cleanup(clock: Clock, store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()

    def no_delete(operation: str, name: str) -> None:
        if operation == "delete":
            raise StorageUnreachableError(name)

    store.before = no_delete
    assert renew(holder)
    assert epochs(store) == [1, 2]
    store.before = lambda _operation, _name: None
    assert renew(holder)
    assert epochs(store) == [3]


@pytest.mark.parametrize("damaged", [b"", b"{}", b"nonsense", b'{"owner":1}', b"[" * 100_000])
def test_damaged_epoch_ends_after_a_while(clock: Clock, store: MemoryStore, damaged: bytes) -> None:
    watch = LeaseWatch()
    store.put(f"locks/replay/{7:020d}", damaged)
    assert not contender(store, watch).acquire()
    clock.now += SECONDS * 1.1 + 0.001
    assert contender(store, watch).acquire()
    assert epochs(store) == [8]


def test_foreign_objects_beside_epochs_stay(clock: Clock, store: MemoryStore) -> None:
    store.put("locks/replay/readme", b"x")
    store.put("locks/replay/12/34", b"x")
    assert contender(store).acquire()
    assert sorted(store.objects) == [f"locks/replay/{1:020d}", "locks/replay/12/34", "locks/replay/readme"]


def test_owner_is_written_for_the_operator(clock: Clock, store: MemoryStore) -> None:
    contender(store).acquire()
    assert b'"owner":"somebody"' in store.objects[f"locks/replay/{1:020d}"]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_lease_without_duration_is_refused(store: MemoryStore, seconds: float) -> None:
    with pytest.raises(ValueError, match="longer than 0 s"), store.lock("replay", owner="x", seconds=seconds):
        pass


def wait_for(condition: threading.Event) -> None:
    assert condition.wait(30.0)


def test_renewal_goes_on_in_the_background(store: MemoryStore) -> None:
    renewed = threading.Event()

    def note(operation: str, name: str) -> None:
        if operation == "put" and int(name.rpartition("/")[2]) >= 4:
            renewed.set()

    store.before = note
    with store.lock("replay", owner="x", seconds=3.0) as lock:
        wait_for(renewed)
        assert lock.is_held
    assert not lock.is_held


def test_holder_learns_that_it_lost(store: MemoryStore, caplog: pytest.LogCaptureFixture) -> None:
    lost = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "is lost" in record.getMessage():
                lost.set()

    listener = Listener()
    logging.getLogger("telemetry.storage").addHandler(listener)
    try:
        with store.lock("replay", owner="x", seconds=3.0) as lock:
            assert lock.is_held
            store.put(f"locks/replay/{9:020d}", b"an operator's, or a bug's")
            wait_for(lost)
            assert not lock.is_held
    finally:
        logging.getLogger("telemetry.storage").removeHandler(listener)


def test_permanent_store_failure_ends_the_lock(store: MemoryStore) -> None:
    failing = threading.Event()

    def away(operation: str, name: str) -> None:
        failing.set()
        raise StorageError(name)

    with store.lock("replay", owner="x", seconds=0.9) as lock:
        store.before = away
        wait_for(failing)
        deadline = threading.Event()
        while lock.is_held:
            deadline.wait(0.01)
    store.before = lambda _operation, _name: None


@contextmanager
def forked() -> Iterator[None]:
    # The lease asks for its process by os.getpid(): enough to see what a child sees, without forking beside threads.
    real = os.getpid()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: real + 1)
        yield


def test_forked_child_holds_nothing_and_releases_nothing(store: MemoryStore) -> None:
    holder = contender(store)
    assert holder.acquire()
    holder.start_renewing()
    with forked():
        assert not holder.is_held
        holder.release()
    assert holder.is_held
    assert epochs(store) == [1]
    holder.release()
    assert epochs(store) == [2]

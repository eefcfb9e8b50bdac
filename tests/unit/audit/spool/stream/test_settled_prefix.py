"""Positions settle in any order; the prefix, the withheld room and the count of records follow."""

from __future__ import annotations

import random
import threading

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.stream.kept_bytes import KeptBytes
from telemetry.audit.spool.stream.settled_prefix import SettledPrefix

ROOM = 1_000_000


def record_at(position: int | None, *, size: int = 100) -> SealedRecord:
    return SealedRecord.written("id", producer="p", sequence=position, key=b"", value=bytes(size))


def records_at(*positions: int) -> list[SealedRecord]:
    return [record_at(position) for position in positions]


@pytest.fixture
def room() -> Room:
    return Room(lock=threading.Lock(), max_events=1_000, max_bytes=ROOM)


@pytest.fixture
def prefix(room: Room) -> SettledPrefix:
    return SettledPrefix(KeptBytes(room, most=250))


def withheld(room: Room) -> int:
    room.give_back(0, 0)
    return ROOM - room.free_bytes


def test_settled_in_order(prefix: SettledPrefix) -> None:
    prefix.add(records_at(0, 1, 2))
    prefix.settle(records_at(0, 1))
    assert (prefix.below, prefix.outstanding) == (2, 1)
    prefix.settle(records_at(2))
    assert (prefix.below, prefix.outstanding) == (3, 0)


@pytest.mark.parametrize("seed", range(5))
def test_settled_in_any_order(prefix: SettledPrefix, room: Room, seed: int) -> None:
    prefix.add(records_at(*range(50)))
    order = list(range(50))
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    settled: set[int] = set()
    for position in order:
        prefix.settle(records_at(position))
        settled.add(position)
        assert prefix.below == next(below for below in range(51) if below not in settled)
        assert withheld(room) == max(100 * len([each for each in settled if each >= prefix.below]) - 250, 0)
    assert prefix.outstanding == 0


def test_first_unsettled_record_withholds_room(prefix: SettledPrefix, room: Room) -> None:
    prefix.add(records_at(0, 1, 2, 3, 4))
    prefix.settle(records_at(1, 2))
    assert withheld(room) == 0, "within the bound"
    prefix.settle(records_at(3, 4))
    assert withheld(room) == 150
    prefix.settle(records_at(0))
    assert withheld(room) == 0


def test_uncommitted_records_do_not_stop_the_prefix(prefix: SettledPrefix, room: Room) -> None:
    prefix.add(records_at(0))
    prefix.add_uncommitted(records_at(1, 2))
    prefix.add(records_at(3))
    assert prefix.outstanding == 2
    prefix.settle(records_at(0))
    assert prefix.below == 3
    prefix.settle(records_at(3))
    assert (prefix.below, prefix.outstanding, withheld(room)) == (4, 0, 0)


def test_broken_disk_leaves_nothing_in_memory(prefix: SettledPrefix) -> None:
    for position in range(1_000):
        prefix.add_uncommitted(records_at(position))

    assert prefix.below == 1_000
    assert (len(prefix._settled), len(prefix._sizes)) == (0, 0)


def test_records_committed_late_are_counted_again(prefix: SettledPrefix) -> None:
    prefix.add_uncommitted(records_at(0, 1))
    prefix.add(records_at(2))
    prefix.settle(records_at(2))
    assert (prefix.below, prefix.outstanding) == (3, 0)

    prefix.reopen(0)
    prefix.add_late(records_at(0, 1))

    assert (prefix.below, prefix.outstanding) == (0, 2)


def test_reopening_never_raises_the_prefix(prefix: SettledPrefix) -> None:
    prefix.add(records_at(0, 1))
    prefix.reopen(5)
    assert prefix.below == 0


def test_checkpoint_has_no_position(prefix: SettledPrefix) -> None:
    prefix.add_outside()
    prefix.add(records_at(0))
    prefix.settle([record_at(None)])
    assert (prefix.below, prefix.outstanding) == (0, 1)


def test_threads_settle_at_once(prefix: SettledPrefix) -> None:
    prefix.add(records_at(*range(4_000)))

    def settle(start: int) -> None:
        for position in range(start, 4_000, 8):
            prefix.settle(records_at(position))

    threads = [threading.Thread(target=settle, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert (prefix.below, prefix.outstanding) == (4_000, 0)

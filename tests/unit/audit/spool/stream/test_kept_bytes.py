"""Settled bytes beyond the bound keep their room, of all segments together, and only as long as they are on disk."""

from __future__ import annotations

import threading

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.stream.kept_bytes import KeptBytes
from telemetry.audit.spool.stream.settled_prefix import SettledPrefix

ROOM = 1_000_000


@pytest.fixture
def room() -> Room:
    return Room(lock=threading.Lock(), max_events=1_000, max_bytes=ROOM)


def withheld(room: Room) -> int:
    """Return what is withheld once the ledger has given room back."""
    room.give_back(0, 0)
    return ROOM - room.free_bytes


def test_bytes_within_the_bound_are_free(room: Room) -> None:
    kept = KeptBytes(room, most=250)

    kept.change(250)

    assert withheld(room) == 0


def test_only_what_exceeds_the_bound_is_withheld(room: Room) -> None:
    kept = KeptBytes(room, most=250)

    kept.change(250)
    kept.change(1)
    assert withheld(room) == 1

    kept.change(99)
    assert withheld(room) == 100


def test_withheld_bytes_are_free_again_with_the_file(room: Room) -> None:
    kept = KeptBytes(room, most=250)
    kept.change(1_000)
    assert withheld(room) == 750

    kept.change(-700)
    assert withheld(room) == 50
    kept.change(-300)
    assert withheld(room) == 0
    kept.change(251)
    assert withheld(room) == 1, "what was free in between does not count twice"


def test_room_changes_when_the_ledger_gives_it_back(room: Room) -> None:
    room.free_bytes -= 400
    KeptBytes(room, most=100).change(400)
    assert room.free_bytes == ROOM - 400, "the event is not settled yet"

    room.give_back(1, 400)

    assert room.free_bytes == ROOM - 300


def test_bound_of_nothing_withholds_everything(room: Room) -> None:
    kept = KeptBytes(room, most=0)

    kept.change(7)

    assert withheld(room) == 7


def test_without_a_bound_nothing_is_withheld(room: Room) -> None:
    KeptBytes(room).change(1 << 50)

    assert withheld(room) == 0


def test_segments_of_all_streams_have_one_bound(room: Room) -> None:
    kept = KeptBytes(room, most=250)
    one, another = SettledPrefix(kept), SettledPrefix(kept)
    for prefix in (one, another):
        prefix.add([record_at(0), record_at(1), record_at(2)])
        prefix.settle([record_at(1), record_at(2)])
    assert withheld(room) == 150, "twice 200 bytes are after a record that is not settled"

    one.settle([record_at(0)])

    assert withheld(room) == 0, "200 are left, of the other stream"


def test_threads_that_settle_at_once_lose_no_byte(room: Room) -> None:
    kept = KeptBytes(room, most=100)
    begin = threading.Barrier(8)

    def settle() -> None:
        begin.wait(60)
        for _ in range(500):
            kept.change(3)
            kept.change(-2)

    threads = [threading.Thread(target=settle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert withheld(room) == 8 * 500 - 100


def record_at(position: int) -> SealedRecord:
    return SealedRecord.written("id", producer="p", sequence=position, key=b"", value=bytes(100))

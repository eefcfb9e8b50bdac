from __future__ import annotations

import threading

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.accept.share import Share, SharedLine, WaitingRoom

SIZE = 1_000


class Bench:
    """A room with several shares, which are filled as the intakes do."""

    def __init__(self, *, shares: int, max_share: float = 0.25, max_events: int = 1_000) -> None:
        self.room = Room(lock=threading.Lock(), max_events=max_events, max_bytes=1 << 40)
        self.shares = [Share(self.room, max_share=max_share) for _ in range(shares)]

    def offer(self, share: Share) -> bool:
        if not share.fits(10):
            return False
        self.room.free_events -= 1
        self.room.free_bytes -= SIZE
        share.take(SIZE)
        return True

    def settle(self, share: Share, events: int) -> None:
        share.give_back(events, events * SIZE)
        self.room.give_back(events, events * SIZE)

    def flood(self, *shares: Share) -> None:
        """Offer to these shares in turn until none of them accepts."""
        while sum(self.offer(share) for share in shares):
            pass


@pytest.mark.parametrize("max_share", [0.1, 0.25, 0.5, 0.9])
def test_one_flood_comes_to_its_share(max_share: float) -> None:
    bench = Bench(shares=1, max_share=max_share)

    bench.flood(bench.shares[0])

    assert bench.shares[0].events == pytest.approx(1_000 * max_share, abs=2)
    assert bench.shares[0].fill == pytest.approx(1.0, abs=0.02)


def test_several_floods_have_equal_parts_and_leave_room() -> None:
    bench = Bench(shares=10)

    bench.flood(*bench.shares)

    used = [share.events for share in bench.shares]
    assert max(used) - min(used) <= 1
    assert 0 < bench.room.free_events < 1_000
    assert sum(used) == pytest.approx(769, abs=10), "ten thirds of thirteen thirds"


def test_another_stream_finds_room_beside_floods() -> None:
    bench = Bench(shares=11)
    *floods, quiet = bench.shares
    bench.flood(*floods)

    assert all(bench.offer(quiet) for _ in range(50))


def test_whole_room_may_be_one_stream_share() -> None:
    bench = Bench(shares=1, max_share=1.0)

    bench.flood(bench.shares[0])

    assert bench.shares[0].events == 1_000
    assert not bench.offer(bench.shares[0])


def test_share_is_given_back() -> None:
    bench = Bench(shares=1)
    share = bench.shares[0]
    bench.flood(share)
    assert not bench.offer(share)

    bench.settle(share, 100)

    assert bench.offer(share)
    assert share.events == pytest.approx(151, abs=2)


def test_one_event_is_always_a_share() -> None:
    bench = Bench(shares=2, max_share=0.01, max_events=5)

    assert [bench.offer(share) for share in bench.shares] == [True, True]
    assert not bench.offer(bench.shares[0])


def test_bytes_are_shared_too() -> None:
    room = Room(lock=threading.Lock(), max_events=1_000_000, max_bytes=1_000_000)
    share = Share(room, max_share=0.25)
    taken = 0
    while share.fits(10):
        room.free_events -= 1
        room.free_bytes -= SIZE
        share.take(SIZE)
        taken += SIZE

    assert taken == pytest.approx(250_000, abs=3 * SIZE)


def test_lines_share_what_may_wait() -> None:
    waiting = WaitingRoom(max_events=100, max_bytes=1 << 30, max_share=0.25)
    flood, quiet = SharedLine(waiting), SharedLine(waiting)
    count = 0
    while flood.fits(SIZE):
        flood.take(SIZE)
        count += 1

    assert count == 25
    assert quiet.fits(SIZE)
    flood.give_back(10, 10 * SIZE)
    assert flood.fits(SIZE)


def test_lines_are_bounded_together() -> None:
    waiting = WaitingRoom(max_events=10, max_bytes=1 << 30, max_share=0.25)
    lines = [SharedLine(waiting) for _ in range(20)]
    accepted = 0
    for line in lines:
        if line.fits(SIZE):
            line.take(SIZE)
            accepted += 1

    assert accepted == 10


def test_large_event_waits_alone_only() -> None:
    waiting = WaitingRoom(max_events=10, max_bytes=SIZE, max_share=0.25)
    one, another = SharedLine(waiting), SharedLine(waiting)
    assert one.fits(5 * SIZE)
    one.take(5 * SIZE)

    assert not another.fits(10)
    one.give_back(1, 5 * SIZE)
    assert another.fits(10)

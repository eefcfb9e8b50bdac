"""Room that is given back lowers the share of the stream whose events were settled, and of no other one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from telemetry.audit.accept.share import Share
from telemetry.audit.receipt import ACCEPTED, Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.streams.shared_room import SharedRoom

EVENTS, BYTES = 1_000, 1_000_000


class Bench:
    """A room with streams whose events are accepted and settled as the intakes and the ledger do."""

    def __init__(self, *producers: str, max_events: int = EVENTS, max_share: float = 0.25) -> None:
        self.lock = threading.Lock()
        self.room = SharedRoom(lock=self.lock, max_events=max_events, max_bytes=BYTES, max_share=max_share)
        self.shares = {producer: self.room.add_share(producer) for producer in producers}

    def accept(self, producer: str, *sizes: int) -> list[SealedRecord]:
        accepted = []
        for number, size in enumerate(sizes):
            receipt = Receipt(f"{producer}-{number}", producer, number, ACCEPTED)
            record = SealedRecord(event_id="", producer=producer, sequence=number, key=b"", size=size)
            record.receipt = receipt
            with self.lock:
                self.room.free_events -= 1
                self.room.free_bytes -= size
                self.shares[producer].take(size)
            accepted.append(record)
        return accepted

    def settle(self, records: Sequence[SealedRecord]) -> None:
        own = [record for record in records if record.receipt is not None]
        self.room.give_back(len(own), sum(record.size for record in own), records)

    def used(self) -> dict[str, tuple[int, int]]:
        return {producer: (share.events, share.bytes) for producer, share in self.shares.items()}


def test_room_goes_back_to_its_stream() -> None:
    bench = Bench("a", "b")
    of_a, of_b = bench.accept("a", 100, 200, 300), bench.accept("b", 10, 20)

    bench.settle(of_a[:2])
    assert bench.used() == {"a": (1, 300), "b": (2, 30)}
    bench.settle(of_b)

    assert bench.used() == {"a": (1, 300), "b": (0, 0)}
    assert bench.room.used == (1, 300)


def test_streams_may_alternate_in_what_is_settled() -> None:
    bench = Bench("a", "b", "c")
    of_a, of_b, of_c = bench.accept("a", 1, 2, 3), bench.accept("b", 10, 20, 30), bench.accept("c", 100)

    bench.settle([of_a[0], of_b[0], of_a[1], of_c[0], of_b[1]])

    assert bench.used() == {"a": (1, 3), "b": (1, 30), "c": (0, 0)}


def test_checkpoint_gives_no_room_back() -> None:
    bench = Bench("a")
    records = bench.accept("a", 100, 200)
    checkpoint = SealedRecord(event_id="", producer="a", sequence=None, key=b"", size=5_000)

    bench.settle([checkpoint, records[0], checkpoint])

    assert bench.used() == {"a": (1, 200)}
    assert bench.room.used == (1, 200)


def test_record_of_no_open_stream_changes_no_share() -> None:
    bench = Bench("a", "ended")
    records, late = bench.accept("a", 100), bench.accept("ended", 40)
    bench.room.remove_share("ended")
    adopted = SealedRecord(event_id="", producer="of a dead process", sequence=0, key=b"", size=70)

    bench.settle([late[0], adopted, records[0]])

    assert bench.used() == {"a": (0, 0), "ended": (1, 40)}
    assert bench.room.used == (0, 0)


def test_removed_share_is_no_longer_found() -> None:
    bench = Bench("a")
    bench.room.remove_share("a")
    bench.room.remove_share("a")

    again = bench.room.add_share("a")

    assert again is not bench.shares["a"]
    assert (again.events, again.bytes) == (0, 0)


@pytest.mark.parametrize("max_share", [0.1, 0.25, 1.0])
def test_share_is_that_part_of_the_room(max_share: float) -> None:
    bench = Bench("a", max_share=max_share)
    share = bench.shares["a"]

    count = 0
    while share.fits(0):
        bench.accept("a", 1)
        count += 1

    assert count == pytest.approx(EVENTS * max_share, abs=1)
    assert share.fill == pytest.approx(1.0, abs=0.02)


class Line:
    """The waiting line of a stream, which asks the share as the intake does."""

    lacks_key = False

    def __init__(self, share: Share) -> None:
        self._share = share
        self.left = 1

    @property
    def is_waiting(self) -> bool:
        return self.left > 0

    def accept_waiting(self, most: int) -> int:
        accepted = 0
        while self.left and accepted < most and self._share.fits(0):
            self.left -= 1
            accepted += 1
        return accepted

    def request_key(self) -> None:
        raise AssertionError


def test_waiting_event_finds_its_share_given_back() -> None:
    bench = Bench("a", "b", max_events=100)
    of_a = bench.accept("a", *[1] * 24)
    bench.accept("b", *[1] * 10)
    line = Line(bench.shares["a"])
    bench.room.add_waiter(line)

    bench.settle(of_a[:1])
    assert line.left == 1, "23 events are more than a third of 67"
    bench.settle(of_a[1:2])

    assert line.left == 0, "22 are less than a third of 68, already in this call"


def test_waiting_event_is_not_let_in_beyond_its_share() -> None:
    bench = Bench("a", "b", max_events=100)
    bench.accept("a", *[1] * 24)
    of_b = bench.accept("b", *[1] * 10)
    line = Line(bench.shares["a"])
    bench.room.add_waiter(line)

    bench.settle(of_b[:1])

    assert line.left == 1, "of 67 free events one stream may have a third"
    assert bench.used()["b"] == (9, 9)


def test_threads_that_settle_at_once_lose_no_room() -> None:
    names = [f"stream-{number}" for number in range(4)]
    bench = Bench(*names)
    accepted = {name: bench.accept(name, *range(1, 201)) for name in names}
    begin = threading.Barrier(4)

    def settle(start: int) -> None:
        begin.wait(60)
        for number in range(start, 200, 4):
            bench.settle([accepted[name][number] for name in names])

    threads = [threading.Thread(target=settle, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert bench.used() == dict.fromkeys(names, (0, 0))
    assert bench.room.used == (0, 0)

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import Delivery, Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import BackpressureError, TransportError, UndeliveredError
from tests.support.leftovers import records

FAILURE = UndeliveredError("nowhere", count=1, event_ids=["x"])


class Segment:
    """A spool segment that remembers what it may forget."""

    def __init__(self, room: Room | None = None) -> None:
        self._room = room
        self.acknowledged: list[SealedRecord] = []

    def acknowledge(self, settled: list[SealedRecord]) -> None:
        self.acknowledged += settled
        if self._room is not None:
            self._room.withhold(100)


class Bench:
    """A ledger with a room that has taken the records in."""

    def __init__(self, count: int = 3) -> None:
        self.room = Room(lock=threading.Lock(), max_events=100, max_bytes=1 << 20)
        self.ledger = Ledger(topic="audit-events", metrics=AuditMetrics(topic="audit-events"), room=self.room)
        self.records = records(count)
        for offset, record in enumerate(self.records):
            record.receipt = Receipt(record.event_id, record.producer, record.sequence or 0)
            record.partition, record.offset = 2, offset
            self.room.free_events -= 1
            self.room.free_bytes -= record.size

    @property
    def receipts(self) -> list[Receipt]:
        return receipts_of(self.records)


def receipts_of(batch: Sequence[SealedRecord]) -> list[Receipt]:
    return [record.receipt for record in batch if record.receipt is not None]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def settle(ledger: Ledger, how: str, batch: list[SealedRecord]) -> None:
    if how == "delivered":
        ledger.delivered(batch)
    elif how == "stored":
        ledger.stored(batch, name="object", provider="memory", reason="unreachable")
    else:
        ledger.failed(batch, FAILURE)


def test_delivered_event_knows_its_place(bench: Bench) -> None:
    bench.ledger.delivered(bench.records)

    assert [receipt.delivery for receipt in bench.receipts] == [
        Delivery("audit-events", 2, offset) for offset in range(3)
    ]
    assert bench.ledger.counts.delivered == bench.ledger.counts.settled == 3


def test_stored_event_knows_its_object(bench: Bench) -> None:
    settle(bench.ledger, "stored", bench.records)

    assert {receipt.delivery for receipt in bench.receipts} == {Delivery(fallback_object="object")}
    assert bench.ledger.counts.stored == 3


def test_failed_event_raises_its_reason(bench: Bench) -> None:
    settle(bench.ledger, "failed", bench.records)

    assert bench.ledger.counts.failed == 3
    for receipt in bench.receipts:
        with pytest.raises(UndeliveredError):
            receipt.wait_delivered(0)


@pytest.mark.parametrize("how", ["delivered", "stored", "failed"])
def test_settled_event_gives_its_room_back(bench: Bench, how: str) -> None:
    settle(bench.ledger, how, bench.records[:2])

    assert bench.room.used == (1, bench.records[2].size)


@pytest.mark.parametrize("how", ["delivered", "stored", "failed"])
def test_settled_event_leaves_its_segment(bench: Bench, how: str) -> None:
    one, another = Segment(), Segment()
    bench.records[0].segment = bench.records[2].segment = one
    bench.records[1].segment = another

    settle(bench.ledger, how, bench.records)

    assert one.acknowledged == [bench.records[0], bench.records[2]]
    assert another.acknowledged == [bench.records[1]]


def test_spool_withholds_before_room_is_given_back(bench: Bench) -> None:
    segment = Segment(bench.room)
    for record in bench.records:
        record.segment = segment

    bench.ledger.delivered(bench.records)

    assert bench.room.used == (0, 100)


@pytest.mark.parametrize("how", ["delivered", "stored", "failed"])
def test_waiting_calls_are_notified(bench: Bench, how: str) -> None:
    done: list[Any] = []

    def wait(receipt: Receipt) -> None:
        try:
            done.append(receipt.wait_delivered(60))
        except UndeliveredError as exc:
            done.append(exc)

    threads = [threading.Thread(target=wait, args=(receipt,)) for receipt in bench.receipts]
    for thread in threads:
        thread.start()
    settle(bench.ledger, how, bench.records)
    for thread in threads:
        thread.join(60)

    assert len(done) == 3


def test_records_without_receipt_are_recovered(bench: Bench) -> None:
    adopted = records(2)
    checkpoint = SealedRecord.written("c", producer="p", sequence=None, key=b"p", value=b"note")

    bench.ledger.delivered([*adopted, checkpoint, *bench.records[:1]])

    assert bench.ledger.counts.recovered == 2
    assert bench.ledger.counts.delivered == 1
    assert bench.room.used[0] == 2


def test_closed_ledger_counts_nothing_twice(bench: Bench) -> None:
    bench.ledger.close()

    bench.ledger.delivered(bench.records)
    settle(bench.ledger, "stored", bench.records)
    assert bench.ledger.counts.settled == 0
    assert not any(receipt.is_settled for receipt in bench.receipts)

    # What is left is failed after the end, by the shutdown itself.
    settle(bench.ledger, "failed", bench.records)
    assert bench.ledger.counts.failed == 3


def test_kept_event_releases_its_callers(bench: Bench) -> None:
    bench.ledger.kept(bench.records)

    assert bench.ledger.counts.settled == 0
    for receipt in bench.receipts:
        with pytest.raises(TransportError, match="kept in the spool"):
            receipt.wait_delivered(0)


def test_calls_and_objects_are_counted(bench: Bench) -> None:
    bench.ledger.refused(BackpressureError("full"))
    bench.ledger.refused(BackpressureError("full"), calls=4)
    bench.ledger.refused(BackpressureError("full"), calls=0)
    bench.ledger.send_failed(TransportError("away"))
    bench.ledger.replayed(7)
    bench.ledger.rejected(2, reason="too_large")

    counts = bench.ledger.counts
    assert (counts.refused, counts.send_errors, counts.replayed, counts.rejected) == (5, 1, 7, 2)


def test_ledger_without_room_settles_records_of_others() -> None:
    ledger = Ledger(topic="t", metrics=AuditMetrics(topic="t"))

    ledger.delivered(records(3))

    assert ledger.counts.recovered == 3

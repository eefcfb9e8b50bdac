"""The spool thread: records are on disk before they continue, whatever the disk does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.exceptions import SpoolError
from telemetry.system.deadline import Deadline
from telemetry.testing import EmbeddedKafka
from tests.support.leftovers import left_in, records
from tests.support.one_stream_spool import OneStreamSpool
from tests.support.quick_telemetry import quick_config, running
from tests.support.until import until


def spool_on(
    segment: SpoolSegment,
    *,
    lock: threading.Lock,
    queue: list[SealedRecord],
    producer: str,
    room: Room | None = None,
    max_kept_bytes: int = 1 << 60,
) -> OneStreamSpool:
    """Return a spool without a tree whose records go to a list."""
    return OneStreamSpool(
        segment,
        lock=lock,
        queue=queue,
        tree=ProducerTree(producer, hashed=False),
        room=room or Room(lock=lock, max_events=1_000, max_bytes=1 << 20),
        max_kept_bytes=max_kept_bytes,
    )


class Bench:
    """A spool, with a list in place of the batcher."""

    def __init__(self, folder: Path) -> None:
        self.logged = records(20)
        for record in self.logged:
            record.receipt = Receipt(event_id=record.event_id, producer=record.producer, sequence=record.sequence or 0)
        self.segment = SpoolSegment.create(
            folder, producer=self.logged[0].producer, topic="audit-events", source="/production/shop"
        )
        self.lock = threading.Lock()
        self.forwarded: list[SealedRecord] = []
        self.spool = spool_on(self.segment, lock=self.lock, queue=self.forwarded, producer=self.logged[0].producer)

    def add(self, *logged: SealedRecord) -> None:
        with self.lock:
            for record in logged:
                self.spool.add(record)

    def fail_with(self, error: BaseException | None) -> None:
        """Make every commit fail, or none."""
        if error is None:
            del self.segment.append  # the method of the class is left
            return

        def fail(_records: Sequence[SealedRecord], *, settled_below: int, tree: TreeState | None) -> None:
            del settled_below, tree
            raise error

        self.segment.append = fail  # type: ignore[method-assign, assignment]

    def try_the_disk_again(self) -> None:
        self.spool.spool._disk._patience = Deadline(0.0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.spool.close()


def _raising(error: BaseException) -> Callable[..., object]:
    def fail(*_args: object, **_kwargs: object) -> object:
        raise error

    return fail


def _receipts(logged: Sequence[SealedRecord]) -> list[Receipt]:
    return [record.receipt for record in logged if record.receipt is not None]


def test_records_are_durable_before_they_go_on(bench: Bench) -> None:
    bench.add(*bench.logged)

    for receipt in _receipts(bench.logged):
        receipt.wait_durable(60)
    until(lambda: len(bench.forwarded) == 20)
    assert bench.forwarded == bench.logged
    assert [row[1] for row in bench.segment.rows()] == [record.event_id for record in bench.logged]


def test_all_settled_and_closed_leaves_no_file(bench: Bench, tmp_path: Path) -> None:
    bench.add(*bench.logged)
    until(lambda: len(bench.forwarded) == 20)
    bench.spool.acknowledge(bench.logged)

    assert bench.spool.close() == 0
    assert list(tmp_path.iterdir()) == []


def test_unsettled_records_stay_for_the_next_process(bench: Bench) -> None:
    bench.add(*bench.logged)
    until(lambda: len(bench.forwarded) == 20)
    # In no order: acknowledgements come from several partitions.
    bench.spool.acknowledge([bench.logged[number] for number in (3, 1, 0, 7, 2)])
    # Progress is committed without further records.
    until(lambda: bench.spool.stream._settled.noted_below == 4)

    assert bench.spool.close() == 15

    adopted = SpoolSegment.adopt(bench.segment.path)
    assert adopted is not None
    assert [row[0] for row in adopted.rows()] == list(range(4, 20))
    adopted.close()


@pytest.mark.parametrize("error", [SpoolError("disk full"), OSError(5, "Input/output error"), RuntimeError("a bug")])
def test_disk_fails_and_works_again(bench: Bench, error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    bench.fail_with(error)
    bench.add(*bench.logged[:10])
    until(lambda: len(bench.forwarded) == 10)
    assert bench.spool.spool._disk.is_broken
    assert not any(receipt.is_durable for receipt in _receipts(bench.logged))
    assert "not durable until they are delivered" in caplog.text

    bench.fail_with(None)
    bench.try_the_disk_again()
    bench.add(*bench.logged[10:])

    for receipt in _receipts(bench.logged[10:]):
        receipt.wait_durable(60)
    assert not bench.spool.spool._disk.is_broken
    assert [row[0] for row in bench.segment.rows()] == list(range(10, 20))
    # The ones that are not on disk do not keep the noted position from rising.
    bench.spool.acknowledge(bench.logged[10:])
    assert bench.spool.stream._settled.below == 20


def test_disk_recovers_while_nothing_is_logged(bench: Bench) -> None:
    bench.fail_with(OSError("full"))
    bench.add(bench.logged[0])
    until(lambda: not bench.spool.is_accepting)

    bench.fail_with(None)

    until(lambda: bench.spool.is_accepting)
    bench.add(bench.logged[1])
    until(lambda: bench.logged[1].receipt is not None and bench.logged[1].receipt.is_durable)
    assert bench.logged[0].receipt is not None
    assert not bench.logged[0].receipt.is_durable


def test_hanging_disk_delays_neither_events_nor_shutdown(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    entered, go_on = threading.Event(), threading.Event()
    append = bench.segment.append

    def hang(logged: Sequence[SealedRecord], *, settled_below: int, tree: TreeState | None) -> None:
        entered.set()
        go_on.wait(30)
        append(logged, settled_below=settled_below, tree=tree)

    bench.segment.append = hang  # type: ignore[method-assign, assignment]
    bench.add(*bench.logged[:1])
    assert entered.wait(10)
    bench.add(*bench.logged[1:])

    bench.spool.stop(0.1)

    assert bench.forwarded == bench.logged
    assert "does not answer, 20 events continue unspooled" in caplog.text
    go_on.set()
    assert bench.spool.spool._worker.join(10)
    assert bench.forwarded == bench.logged


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("_tree.absorb", RuntimeError("a canary")),
        ("_settled.add", RuntimeError("a canary")),
        ("_mark_spooled", MemoryError()),
        ("_segment.append", SystemExit()),
    ],
    ids=["before the commit", "after the commit", "at the receipts", "in the disk"],
)
def test_unforeseen_error_counts_as_failed_disk(
    bench: Bench, place: str, error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    *path, name = place.split(".")
    owner = getattr(bench.spool.stream, path[0]) if path else bench.spool.stream
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, _raising(error))
        bench.add(bench.logged[0])
        until(lambda: bench.forwarded == bench.logged[:1])
        until(lambda: not bench.spool.is_accepting)

    for record in bench.logged[1:]:
        bench.add(record)
    until(lambda: bench.forwarded == bench.logged)

    assert "events are not durable until they are delivered" in caplog.text
    assert "canary" not in caplog.text
    bench.spool.acknowledge([record for record in bench.logged if record.segment is not None])
    bench.spool.stop(60)
    assert not bench.spool.spool._worker.is_alive
    assert bench.forwarded == bench.logged


def test_unsettled_checkpoint_keeps_the_segment(bench: Bench) -> None:
    checkpoint = SealedRecord.written("c", producer="p", sequence=None, key=b"p", value=b"note")
    bench.spool.keep_open_for(checkpoint)
    bench.add(*bench.logged)
    until(lambda: len(bench.forwarded) == 20)
    bench.spool.acknowledge(bench.logged)

    assert bench.spool.close() == 1
    assert bench.segment.path.exists()


def test_rejected_records_are_saved_in_their_place(bench: Bench) -> None:
    bench.fail_with(SpoolError("disk full"))
    bench.add(*bench.logged[:5])
    until(lambda: len(bench.forwarded) == 5)
    bench.fail_with(None)
    bench.try_the_disk_again()
    bench.add(*bench.logged[5:15])
    until(lambda: len(bench.forwarded) == 15)
    bench.fail_with(SpoolError("disk full"))
    bench.add(*bench.logged[15:])
    until(lambda: len(bench.forwarded) == 20)
    bench.spool.acknowledge(bench.logged[5:10])
    bench.spool.stop()

    bench.fail_with(None)
    bench.spool.save([*bench.logged[15:], *bench.logged[:5]])

    assert all(receipt.is_durable for receipt in _receipts(bench.logged))
    assert bench.spool.close() == 15
    adopted = SpoolSegment.adopt(bench.segment.path)
    assert adopted is not None
    assert [row[1] for row in adopted.rows()] == [record.event_id for record in bench.logged]
    adopted.close()


def test_disk_rejects_writes_until_the_end(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.fail_with(SpoolError("disk full"))
    bench.add(*bench.logged)
    until(lambda: len(bench.forwarded) == 20)
    bench.spool.stop()

    bench.spool.save(bench.logged)

    assert not any(record.segment for record in bench.logged)
    assert "still rejects writes at the end of the process: disk full" in caplog.text
    assert bench.spool.close() == 0


def test_unsettled_record_bounds_what_follows_it(tmp_path: Path) -> None:
    first = records(1)[0]
    segment = SpoolSegment.create(tmp_path, producer=first.producer, topic="audit-events", source="/production/shop")
    lock, forwarded = threading.Lock(), list[SealedRecord]()
    room = Room(lock=lock, max_events=1_000, max_bytes=100_000)
    spool = spool_on(segment, lock=lock, queue=forwarded, producer=first.producer, room=room, max_kept_bytes=50_000)

    def log(record: SealedRecord) -> None:
        count = len(forwarded) + 1
        with lock:
            room.free_bytes -= record.size
            spool.add(record)
        until(lambda: len(forwarded) == count)

    log(first)
    following, number = 0, 1
    while room.free_bytes > 2_000:
        (record,) = records(1, producer=first.producer, first=number, size=1_000)
        log(record)
        spool.acknowledge([record])
        room.give_back(0, record.size)
        following, number = following + record.size, number + 1
        assert following < 160_000, "nothing bounds what stays on disk after the first record"
    assert following > 140_000
    assert len(list(segment.rows())) == number

    spool.acknowledge([first])
    room.give_back(0, first.size)

    assert room.free_bytes == 100_000
    assert spool.close() == 0


def test_slow_kafka_leaves_the_segment_bounded(tmp_path: Path) -> None:
    max_bytes = 4 << 20
    with EmbeddedKafka(partitions=16) as kafka:
        config = quick_config(
            kafka.bootstrap_servers,
            tmp_path,
            fallback_enabled=False,
            spool_path=tmp_path / "spool",
            spool_max_bytes=max_bytes,
            queue_full_timeout_ms=60_000,
            kafka_timeout_ms=30_000,
        )
        with running(config) as telemetry:
            kafka.set_latency(0.2)
            sizes = []
            for number in range(12_000):
                telemetry.audit.log("step", {"pad": "x" * 1_000}, f"user-{number}")
                if number % 100 == 0:
                    sizes.append(sum(path.stat().st_size for path in (tmp_path / "spool").iterdir()))
            kafka.set_latency(0)

    # Beside the records the folder holds SQLite's write-ahead log, which is moved into the file every 4 MiB.
    assert max(sizes) < max_bytes + (8 << 20)
    assert left_in(tmp_path / "spool") == []

"""Records of a stream reach the queue once, after they are on disk, whatever the disk and a shutdown do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.disk_state import DiskState
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.stream.kept_bytes import KeptBytes
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.spool.stream.settled_prefix import SettledPrefix
from telemetry.audit.spool.stream.spooled_stream import SpooledStream
from telemetry.exceptions import SpoolError
from tests.support.leftovers import TOPIC, records

SOURCE = "/production/shop"
PATIENCE = 60


class Queue(list[SealedRecord]):
    """A batcher that remembers whether each record was durable, and may be signed, when it arrived."""

    def __init__(self, tree: ProducerTree) -> None:
        super().__init__()
        self.tree = tree
        self.durable: list[bool] = []
        self.signable: list[int] = []

    def extend(self, arrived: list[SealedRecord], /) -> None:  # type: ignore[override]
        super().extend(arrived)
        self.durable += [record.receipt is not None and record.receipt.is_durable for record in arrived]
        self.signable.append(self.tree.sizes()[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedSegments(Segments):
    """Segments on a disk that a test watches."""

    before: Callable[[], None]

    def create(self, producer: str) -> SpoolSegment:
        """Return a new segment, after what the test does before."""
        self.before()
        return Segments.create(self, producer)


class Bench:
    """A stream's part of a spool, without the spool's threads."""

    def __init__(self, folder: Path, *, most: int | None = None) -> None:
        self.logged = records(10)
        for record in self.logged:
            record.receipt = Receipt(event_id=record.event_id, producer=record.producer, sequence=record.sequence or 0)
        self.lock = threading.Lock()
        self.disk = DiskState()
        self.tree = ProducerTree(self.logged[0].producer, hashed=True)
        self.queue = Queue(self.tree)
        self.before_creation: Callable[[], None] = lambda: None
        self.dirty: list[SpooledStream] = []
        room = Room(lock=self.lock, max_events=100, max_bytes=1 << 20)
        self.settled = SettledPrefix(KeptBytes(room, most=1 << 20))
        self.stream = SpooledStream(
            self,
            lock=self.lock,
            source=WatchedSegments(folder=folder, topic=TOPIC, source=SOURCE, before=self.create),
            queue=self.queue,
            tree=self.tree,
            settled=self.settled,
            disk=self.disk,
            most=most,
        )

    def create(self) -> None:
        self.before_creation()

    def note_dirty(self, stream: SpooledStream) -> None:
        """Remember who asks for a turn."""
        assert self.lock.locked()
        self.dirty.append(stream)

    def add(self, *logged: SealedRecord) -> None:
        with self.lock:
            for record in logged:
                self.stream.add(record)

    def take(self) -> None:
        with self.lock:
            self.stream.take()

    def commit(self, *logged: SealedRecord) -> None:
        self.add(*logged)
        self.take()
        self.stream.commit()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def on_disk(folder: Path) -> list[int]:
    """Return the numbers of the records in the one file that a process left."""
    (path,) = folder.glob("*.spool")
    segment = SpoolSegment.adopt(path)
    assert segment is not None
    try:
        return [row[0] for row in segment.rows() if row[0] is not None]
    finally:
        segment.close()


def full() -> None:
    message = "disk full"
    raise SpoolError(message)


def test_committed_records_are_durable_and_signable(bench: Bench, tmp_path: Path) -> None:
    bench.commit(*bench.logged)

    assert bench.queue == bench.logged
    assert all(bench.queue.durable)
    assert bench.queue.signable == [10]
    bench.stream.close(note_progress=True)
    assert on_disk(tmp_path) == [*range(10)]


def test_nothing_is_signable_before_it_is_committed(bench: Bench) -> None:
    bench.tree.add(bench.logged)

    assert bench.tree.sizes()[0] == 0
    bench.commit(*bench.logged[:4])
    bench.commit(*bench.logged[4:])
    assert bench.queue.signable[-1] == 10


def test_no_file_before_the_first_record(bench: Bench, tmp_path: Path) -> None:
    assert bench.stream.lacks_file
    assert (bench.stream.size, bench.stream.close(note_progress=True)) == (0, 0)
    assert files(tmp_path) == []


def test_stream_asks_for_one_turn(bench: Bench) -> None:
    bench.add(*bench.logged[:5])
    assert bench.dirty == [bench.stream]
    bench.take()
    bench.add(*bench.logged[5:])
    assert bench.dirty == [bench.stream] * 2


def test_rest_of_a_flood_has_another_turn(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most=4)
    bench.add(*bench.logged)

    for turn in (4, 8, 10):
        assert bench.dirty.pop() is bench.stream
        bench.take()
        bench.stream.commit()
        assert bench.queue == bench.logged[:turn]
    assert bench.dirty == []
    bench.stream.close(note_progress=True)


def test_rejected_records_go_on_undurable(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.before_creation = full
    bench.commit(*bench.logged[:5])

    assert bench.queue == bench.logged[:5]
    assert not any(bench.queue.durable)
    assert bench.queue.signable == [5]
    assert "not durable" in caplog.text
    assert not bench.stream.lacks_file, "a broken disk is not tried at once"
    # Nobody waits for them: they are nowhere on disk.
    assert (bench.stream.is_settled, bench.settled.below) == (True, 5)


def test_file_that_cannot_be_created_breaks_the_disk(bench: Bench) -> None:
    bench.before_creation = full
    bench.stream.create_file()

    assert bench.disk.is_broken
    bench.commit(*bench.logged)
    assert bench.queue == bench.logged


def test_file_is_kept_until_everything_is_settled(bench: Bench, tmp_path: Path) -> None:
    checkpoint = SealedRecord.written("c", producer=bench.stream.producer, sequence=None, key=b"", value=b"")
    bench.commit(*bench.logged)
    bench.stream.keep_open_for(checkpoint)
    bench.stream.acknowledge(bench.logged)
    assert not bench.stream.is_settled
    assert bench.stream.ended_tree is None

    bench.stream.acknowledge([checkpoint])

    assert bench.stream.ended_tree == bench.tree.state()
    assert bench.stream.close(note_progress=True) == 0
    assert files(tmp_path) == []


def test_close_notes_what_was_settled_last(bench: Bench, tmp_path: Path) -> None:
    bench.commit(*bench.logged)
    bench.stream.acknowledge(bench.logged[:7])
    assert bench.stream.may_progress

    assert bench.stream.close(note_progress=True) == 3
    assert on_disk(tmp_path) == [7, 8, 9]


def test_progress_is_noted_once(bench: Bench) -> None:
    bench.commit(*bench.logged)
    bench.stream.acknowledge(bench.logged[:7])
    bench.stream.note_progress(is_idle=False)
    assert bench.settled.noted_below == 0, "a commit has just noted what there was"

    bench.stream.note_progress(is_idle=False)

    assert bench.settled.noted_below == 7
    bench.stream.close(note_progress=True)


def test_shutdown_takes_records_from_a_commit(bench: Bench) -> None:
    bench.add(*bench.logged[:6])
    bench.take()
    bench.add(*bench.logged[6:])
    stuck: list[SealedRecord] = []

    def lose_patience() -> None:
        with bench.lock:
            stuck.extend(bench.stream.take_stuck())
        bench.stream.pass_on_stuck(stuck)

    bench.before_creation = lose_patience
    bench.stream.commit()

    assert stuck == bench.logged
    assert bench.queue == bench.logged, "each record once, in order"
    assert bench.tree.sizes()[0] == 10
    bench.stream.close(note_progress=True)


def test_unspooled_records_go_on_once(bench: Bench) -> None:
    bench.add(*bench.logged)
    bench.take()

    bench.stream.pass_on_unspooled()
    bench.stream.pass_on_unspooled()

    assert bench.queue == bench.logged
    assert bench.settled.below == 10


def test_records_are_saved_at_the_end(bench: Bench, tmp_path: Path) -> None:
    bench.before_creation = full
    bench.commit(*bench.logged)
    bench.before_creation = lambda: None

    # In no order, and one of them was settled meanwhile.
    bench.stream.save([*bench.logged[6:], *bench.logged[:5]])

    assert [number for number, record in enumerate(bench.logged) if record.segment is None] == [5]
    assert bench.stream.close(note_progress=True) == 9
    assert on_disk(tmp_path) == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_two_threads_create_one_file(bench: Bench, tmp_path: Path) -> None:
    creating, go_on = threading.Event(), threading.Event()

    def hang_once() -> None:
        bench.before_creation = lambda: None
        creating.set()
        assert go_on.wait(PATIENCE)

    bench.before_creation = hang_once
    creator = threading.Thread(target=bench.stream.create_file)
    creator.start()
    assert creating.wait(PATIENCE)
    bench.commit(*bench.logged)
    go_on.set()
    creator.join(PATIENCE)

    bench.stream.acknowledge(bench.logged)
    assert bench.stream.close(note_progress=True) == 0
    assert files(tmp_path) == []

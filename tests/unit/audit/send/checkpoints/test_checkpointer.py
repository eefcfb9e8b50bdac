from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.send.checkpoints.checkpointer import Checkpointer
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier, leaf_hash
from tests.support.leftovers import records

SOURCE = "/production/shop"


@pytest.fixture
def signer(tmp_path: Path) -> CheckpointSigner:
    SigningKey.create(tmp_path / "signing", "correct horse", name="audit")
    config = SigningConfig(key_path=tmp_path / "signing", passphrase=SecretStr("correct horse"))
    return CheckpointSigner(config, source=SOURCE, topic="audit-events")


class Bench:
    """A checkpointer whose last checkpoint can be batch older."""

    def __init__(
        self,
        signer: CheckpointSigner,
        *,
        every_events: int = 10,
        every_seconds: float = 3_600.0,
        heartbeat_seconds: float = 0.0,
    ) -> None:
        self.stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
        self.checkpointer = Checkpointer(
            self.stream,
            signer=signer,
            every_events=every_events,
            every_seconds=every_seconds,
            heartbeat_seconds=heartbeat_seconds,
        )

    def send(self, count: int) -> list[Checkpoint]:
        """Accept and send a batch; return the checkpoints that follow it."""
        first = self.stream.next_sequence
        self.stream.next_sequence += count
        return self.observe(records(count, producer=self.stream.producer, first=first))

    def wait(self, seconds: float) -> None:
        """Let time pass, from the point of view of the checkpointer."""
        self.checkpointer._opened_at -= seconds
        self.checkpointer._signed_at -= seconds

    def observe(self, batch: Sequence[SealedRecord]) -> list[Checkpoint]:
        return [decoded(record) for record in self.checkpointer.before_send(batch)]


@pytest.fixture
def bench(signer: CheckpointSigner) -> Bench:
    return Bench(signer)


def decoded(record: SealedRecord) -> Checkpoint:
    assert record.sequence is None
    assert record.key == record.producer.encode()
    message = decode_checkpoint_message(record.value)
    assert message is not None
    return read_unverified(message.data)[1]


def test_checkpoint_after_so_many_events(bench: Bench) -> None:
    assert bench.send(9) == []
    (checkpoint,) = bench.send(1)

    assert (checkpoint.size, checkpoint.producer, checkpoint.source) == (10, bench.stream.producer, SOURCE)
    assert not checkpoint.final
    assert bench.send(9) == []
    assert [later.size for later in bench.send(1)] == [20]


def test_checkpoint_after_so_many_seconds(bench: Bench) -> None:
    bench.send(3)
    bench.wait(1_800.0)
    assert bench.send(0) == []
    bench.wait(1_801.0)

    assert [checkpoint.size for checkpoint in bench.send(0)] == [3]


def test_no_checkpoint_while_nothing_is_logged(bench: Bench) -> None:
    bench.wait(10_000.0)
    assert bench.send(0) == []

    # Only from the first event on does the time count.
    assert bench.send(1) == []
    bench.wait(3_601.0)
    assert len(bench.send(0)) == 1
    bench.wait(10_000.0)
    assert bench.send(0) == []


def test_checkpoint_signs_the_tree_of_the_records(bench: Bench) -> None:
    batch = records(10, producer=bench.stream.producer)
    (checkpoint,) = bench.observe(batch)

    frontier = Frontier()
    for record in batch:
        frontier.append(leaf_hash(record.value))
    assert checkpoint.root == frontier.root()


def test_final_checkpoint_has_every_event(bench: Bench) -> None:
    bench.send(3)
    bench.stream.next_sequence += 2
    bench.checkpointer.expect_end()
    # Two accepted events are still on their way to the sender.
    assert bench.observe([]) == []

    (final,) = bench.observe(records(2, producer=bench.stream.producer, first=3))

    assert (final.size, final.final) == (5, True)
    assert bench.observe([]) == []


def test_stream_without_events_has_no_final_checkpoint(bench: Bench) -> None:
    bench.checkpointer.expect_end()

    assert bench.observe([]) == []


def test_checkpoint_names_topic_interval_and_leaves(bench: Bench) -> None:
    bench.send(10)
    batch = records(12, producer=bench.stream.producer, first=10)
    (record,) = bench.checkpointer.before_send(batch)

    checkpoint = decoded(record)
    assert (checkpoint.topic, checkpoint.interval, checkpoint.size, checkpoint.keys) == ("audit-events", 10, 22, ())
    leaves = IntervalLeaves.decode(record.leaves, checkpoint)
    assert [leaves.leaf(number) for number in range(10, 22)] == [leaf_hash(record.value) for record in batch]


def test_long_interval_makes_several_checkpoints(bench: Bench) -> None:
    found = bench.checkpointer.before_send(records(2_100, producer=bench.stream.producer))

    checkpoints = [(decoded(record), record.leaves) for record in found]
    assert [(each.interval, each.size) for each, _ in checkpoints] == [(0, 1_024), (1_024, 2_048), (2_048, 2_100)]
    assert [IntervalLeaves.decode(leaves, each).end for each, leaves in checkpoints] == [1_024, 2_048, 2_100]


def test_small_rest_of_a_long_interval_waits(signer: CheckpointSigner) -> None:
    bench = Bench(signer, every_events=1_000)

    assert [each.size for each in bench.send(1_100)] == [1_024]
    assert [(each.interval, each.size) for each in bench.send(924)] == [(1_024, 2_024)]
    bench.send(30)
    bench.wait(3_601.0)
    assert [(each.interval, each.size) for each in bench.send(0)] == [(2_024, 2_054)]


def test_end_of_a_long_interval_is_the_only_final_one(bench: Bench) -> None:
    bench.stream.next_sequence = 1_500
    bench.checkpointer.expect_end()
    found = bench.observe(records(1_500, producer=bench.stream.producer))

    assert [(each.size, each.final) for each in found] == [(1_024, False), (1_500, True)]


def test_more_events_than_a_checkpoint_has_leaves_are_never_configured_away(signer: CheckpointSigner) -> None:
    bench = Bench(signer, every_events=1_000_000)

    assert [each.size for each in bench.send(1_024)] == [1_024]


def test_heartbeat_signs_the_same_size_again(signer: CheckpointSigner) -> None:
    bench = Bench(signer, heartbeat_seconds=300.0)
    (first,) = bench.send(10)
    bench.wait(299.0)
    assert bench.send(0) == []
    bench.wait(2.0)
    (record,) = bench.checkpointer.before_send([])

    heartbeat = decoded(record)
    assert (heartbeat.size, heartbeat.interval, heartbeat.root) == (10, 10, first.root)
    assert heartbeat.time > first.time
    assert record.leaves == b""
    assert bench.send(0) == []


def test_heartbeat_of_a_process_that_logged_nothing(signer: CheckpointSigner) -> None:
    bench = Bench(signer, heartbeat_seconds=300.0)
    bench.wait(301.0)

    assert [(each.size, each.interval, each.final) for each in bench.send(0)] == [(0, 0, False)]
    bench.checkpointer.expect_end()
    assert [(each.size, each.final) for each in bench.send(0)] == [(0, True)]


def test_times_rise_although_the_clock_went_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    (first,) = bench.send(10)
    monkeypatch.setattr("time.time_ns", lambda: 1_600_000_000_000_000_000)
    later = [*bench.send(10), *bench.send(1_040)]

    times = [each.time for each in (first, *later)]
    assert len(times) == 4
    assert times == sorted(set(times))
    assert times[-1][:13] == first.time[:13]


def test_version_1_has_one_checkpoint_and_no_leaves(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "signing", "correct horse", name="audit")
    config = SigningConfig(key_path=tmp_path / "signing", passphrase=SecretStr("correct horse"))
    bench = Bench(CheckpointSigner(config, source=SOURCE, topic=None))
    (record,) = bench.checkpointer.before_send(records(2_100, producer=bench.stream.producer))

    checkpoint = decoded(record)
    assert (checkpoint.size, checkpoint.topic, checkpoint.interval, checkpoint.keys) == (2_100, None, None, ())
    assert record.leaves == b""


class SpoolStub:
    """The part of the spool that a checkpointer uses."""

    def __init__(self) -> None:
        self.kept: list[SealedRecord] = []

    def keep_open_for(self, record: SealedRecord) -> None:
        self.kept.append(record)


def test_spool_hashes_and_waits_for_the_checkpoint(signer: CheckpointSigner) -> None:
    spool = SpoolStub()
    stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
    checkpointer = Checkpointer(stream, signer=signer, every_events=5, every_seconds=60.0, spool=spool)  # type: ignore[arg-type]
    batch = records(5, producer=stream.producer)
    stream.next_sequence = 5

    assert not list(checkpointer.before_send(batch)), "the spool thread hashes, not the sender"
    stream.tree.absorb(batch)
    (checkpoint,) = checkpointer.before_send([])

    assert spool.kept == [checkpoint]


def test_what_is_being_committed_is_not_signed(signer: CheckpointSigner) -> None:
    spool = SpoolStub()
    stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
    tree = stream.tree
    checkpointer = Checkpointer(stream, signer=signer, every_events=3, every_seconds=60.0, spool=spool)  # type: ignore[arg-type]
    batch = records(8, producer=stream.producer)
    tree.allow_signing(tree.absorb(batch[:2]))
    tree.absorb(batch[2:5])

    assert not list(checkpointer.before_send([]))

    tree.allow_signing(tree.state())
    tree.absorb(batch[5:])
    (record,) = checkpointer.before_send([])

    checkpoint = decoded(record)
    assert checkpoint.size == 5
    leaves = IntervalLeaves.decode(record.leaves, checkpoint)
    assert leaves.leaves == b"".join(leaf_hash(each.value) for each in batch[:5])

    tree.allow_signing(tree.state())
    (record,) = checkpointer.before_send([])

    checkpoint = decoded(record)
    assert (checkpoint.size, checkpoint.interval) == (8, 5)
    IntervalLeaves.decode(record.leaves, checkpoint)


def test_end_waits_for_what_is_being_committed(signer: CheckpointSigner) -> None:
    stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
    tree = stream.tree
    checkpointer = Checkpointer(stream, signer=signer, every_events=9, every_seconds=60.0, spool=SpoolStub())  # type: ignore[arg-type]
    stream.next_sequence = 4
    tree.allow_signing(tree.state())
    tree.absorb(records(4, producer=stream.producer))
    checkpointer.expect_end()

    assert not list(checkpointer.before_send([]))

    tree.allow_signing(tree.state())
    (record,) = checkpointer.before_send([])
    assert (decoded(record).size, decoded(record).final) == (4, True)


def test_hashing_and_signing_in_two_threads(signer: CheckpointSigner) -> None:
    spool = SpoolStub()
    stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
    checkpointer = Checkpointer(stream, signer=signer, every_events=20, every_seconds=600.0, spool=spool)  # type: ignore[arg-type]
    batch = records(400, producer=stream.producer)
    stream.next_sequence = 400
    done = threading.Event()

    def hash_all() -> None:
        for first in range(0, 400, 10):
            stream.tree.allow_signing(stream.tree.absorb(batch[first : first + 10]))
        done.set()

    spool_thread = threading.Thread(target=hash_all)
    spool_thread.start()
    sizes: list[int] = []
    while not done.is_set():
        sizes += [decoded(record).size for record in checkpointer.before_send([])]
    spool_thread.join(60)
    checkpointer.expect_end()
    (final,) = checkpointer.before_send([])

    assert sizes == sorted(set(sizes))
    # All may have been signed before the end is known: then the end is signed again, as final.
    assert (decoded(final).size, decoded(final).final) == (400, True)

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpointer import Checkpointer, CheckpointSigner
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.merkle import Frontier, leaf_hash
from tests.support.leftovers import records

SOURCE = "/production/shop"


@pytest.fixture
def signer(tmp_path: Path) -> CheckpointSigner:
    SigningKey.create(tmp_path / "signing", "correct horse", name="audit")
    return CheckpointSigner(
        SigningConfig(key_path=tmp_path / "signing", passphrase=SecretStr("correct horse")), source=SOURCE
    )


class Bench:
    """A checkpointer whose last checkpoint can be batch older."""

    def __init__(self, signer: CheckpointSigner, *, every_events: int = 10, every_seconds: float = 3_600.0) -> None:
        self.stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
        self.checkpointer = Checkpointer(
            self.stream,
            signer=signer,
            every_events=every_events,
            every_seconds=every_seconds,
        )

    def send(self, count: int) -> list[Checkpoint]:
        """Accept and send a batch; return the checkpoints that follow it."""
        first = self.stream.next_sequence
        self.stream.next_sequence += count
        return self.observe(records(count, producer=self.stream.producer, first=first))

    def wait(self, seconds: float) -> None:
        """Let time pass, from the point of view of the checkpointer."""
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


def test_recovered_checkpoint_closes_a_foreign_stream(signer: CheckpointSigner) -> None:
    frontier = Frontier()
    frontier.append(leaf_hash(b"value"))
    producer = "018f3b1c-0000-7000-8000-000000000001"

    record = signer.sign_recovered(TreeState(producer, 1, frontier.to_bytes()), source="/test/other")

    checkpoint = decoded(record)
    assert (checkpoint.producer, checkpoint.source, checkpoint.size) == (producer, "/test/other", 1)
    assert checkpoint.recovered
    assert not checkpoint.final


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


def test_hashing_and_signing_in_two_threads(signer: CheckpointSigner) -> None:
    spool = SpoolStub()
    stream = ProducerStream(ClearEncoder(source=SOURCE), signer=signer)
    checkpointer = Checkpointer(stream, signer=signer, every_events=20, every_seconds=600.0, spool=spool)  # type: ignore[arg-type]
    batch = records(400, producer=stream.producer)
    stream.next_sequence = 400
    done = threading.Event()

    def hash_all() -> None:
        for first in range(0, 400, 10):
            stream.tree.absorb(batch[first : first + 10])
        done.set()

    spool_thread = threading.Thread(target=hash_all)
    spool_thread.start()
    sizes: list[int] = []
    while not done.is_set():
        sizes += [decoded(record).size for record in checkpointer.before_send([])]
    spool_thread.join(60)
    checkpointer.expect_end()
    sizes += [decoded(record).size for record in checkpointer.before_send([])]

    assert sizes == sorted(set(sizes))
    assert sizes[-1] == 400

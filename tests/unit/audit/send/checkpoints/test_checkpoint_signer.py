"""Checkpoints as records: those of this process, and the last ones of a dead process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner, next_time
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.value.jwe import kid_in_header
from tests.support.accepted_records import PRODUCER, sealed_records

SOURCE = "/test/other"


@pytest.fixture
def signer(tmp_path: Path) -> CheckpointSigner:
    SigningKey.create(tmp_path / "signing", "correct horse", name="audit")
    config = SigningConfig(key_path=tmp_path / "signing", passphrase=SecretStr("correct horse"))
    return CheckpointSigner(config, source="/production/shop", topic="audit-events")


def decoded(record: SealedRecord) -> Checkpoint:
    message = decode_checkpoint_message(record.value)
    assert message is not None
    return read_unverified(message.data)[1]


def left(count: int, *, signed: int = 0, uses: int = 1 << 20) -> TreeState:
    """Return what a process left that signed the first records and logged the others."""
    batch = list(sealed_records(count, uses_of_a_key=uses))
    tree = ProducerTree(PRODUCER, hashed=True)
    state = tree.absorb(batch[:signed])
    assert state is not None
    tree.note_signed(state, next_time(0))
    tree.absorb(batch[signed:])
    unsigned = tree.unsigned()
    assert unsigned is not None
    return unsigned


def test_recovered_checkpoint_closes_a_foreign_stream(signer: CheckpointSigner) -> None:
    frontier = Frontier()
    frontier.append(leaf_hash(b"value"))

    (record,) = signer.sign_recovered(TreeState(PRODUCER, 1, frontier.to_bytes()), source=SOURCE)

    checkpoint = decoded(record)
    assert (checkpoint.producer, checkpoint.source, checkpoint.size) == (PRODUCER, SOURCE, 1)
    assert checkpoint.recovered
    assert not checkpoint.final
    # The dead process did not say since when it had not signed.
    assert (checkpoint.topic, checkpoint.interval, checkpoint.keys, record.leaves) == ("audit-events", None, (), b"")


def test_recovered_checkpoint_has_the_leaves_that_were_left(signer: CheckpointSigner) -> None:
    (record,) = signer.sign_recovered(left(30, signed=10, uses=15), source=SOURCE)

    checkpoint = decoded(record)
    assert (checkpoint.interval, checkpoint.size, checkpoint.recovered) == (10, 30, True)
    assert [(span.first, span.last) for span in checkpoint.keys] == [(10, 14), (15, 29)]
    assert IntervalLeaves.decode(record.leaves, checkpoint).end == 30


def test_many_records_that_were_left_make_several_checkpoints(signer: CheckpointSigner) -> None:
    found = [decoded(record) for record in signer.sign_recovered(left(1_100), source=SOURCE)]

    assert [(each.size, each.recovered) for each in found] == [(1_024, False), (1_100, True)]
    assert found[0].time < found[1].time


@pytest.mark.parametrize(
    "change",
    [
        {"leaves": bytes(20 * 32)},
        {"leaves": b""},
        {"leaves_from": 11},
        {"signed_frontier": b""},
        {"signed_frontier": Frontier().to_bytes()},
        {"signed_size": 9, "leaves_from": 9},
        {"signed_size": 40},
    ],
)
def test_leaves_that_do_not_make_the_tree_are_left_out(signer: CheckpointSigner, change: dict[str, Any]) -> None:
    state = left(30, signed=10)

    (record,) = signer.sign_recovered(state._replace(**change), source=SOURCE)

    checkpoint = decoded(record)
    assert (checkpoint.size, checkpoint.recovered, checkpoint.interval) == (30, True, None)
    assert record.leaves == b""


def test_recovered_checkpoint_is_later_than_the_last_one(signer: CheckpointSigner) -> None:
    state = left(3)._replace(signed_at=4_000_000_000_000_000)

    (record,) = signer.sign_recovered(state, source=SOURCE)

    assert decoded(record).time == "2096-10-02T07:06:40.000001Z"


def test_more_data_keys_than_a_checkpoint_names(signer: CheckpointSigner) -> None:
    state = left(100, uses=1)
    found = [decoded(signer.sign(part, at=next_time(0))) for part in signer.parts(state)]

    assert [(each.interval, each.size, len(each.keys)) for each in found] == [(0, 48, 48), (48, 96, 48), (96, 100, 4)]
    headers = [record.jwe_header for record in sealed_records(1, uses_of_a_key=1)]
    assert len(found[0].keys[0].kid) == len(kid_in_header(headers[0]))

"""A process that logs under its own name alone has one stream, within the bounds of its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.audit.opening.streaming import observed
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import BackpressureError
from tests.support.accepting_parts import AcceptingParts, accepting_config
from tests.support.until import until

PASSPHRASE = "correct horse battery staple"


class Seen:
    """An observer that adds nothing."""

    def before_send(self, records: Sequence[SealedRecord]) -> Sequence[SealedRecord]:
        return records[:0]


def test_events_are_batched_in_the_order_of_the_calls() -> None:
    parts = AcceptingParts(accepting_config())
    logged = [parts.log() for _ in range(20)]

    records = parts.settle()

    assert [record.sequence for record in records] == [*range(20)]
    assert [record.event_id for record in records] == [receipt.event_id for receipt in logged]
    assert {record.producer for record in records} == {parts.stream.producer}
    assert parts.streaming.room.used == (0, 0)


def test_events_are_bounded() -> None:
    parts = AcceptingParts(accepting_config(queue_max_events=2, queue_full_timeout_ms=0))
    parts.log()
    parts.log()

    with pytest.raises(BackpressureError, match="for 0 ms"):
        parts.log()


def test_bytes_are_bounded() -> None:
    parts = AcceptingParts(accepting_config(queue_max_bytes=1 << 16, queue_full_timeout_ms=0))
    parts.log({"pad": "x" * 40_000})

    with pytest.raises(BackpressureError):
        parts.log({"pad": "x" * 40_000})


def test_spool_comes_before_the_batch_and_bounds_the_bytes(tmp_path: Path) -> None:
    config = accepting_config(
        spool_path=tmp_path / "spool",
        spool_max_bytes=1 << 20,
        queue_max_bytes=1 << 30,
        queue_full_timeout_ms=0,
        storage_secret="5a" * 32,
    )
    parts = AcceptingParts(config)
    with parts.opened:
        parts.log({"pad": "x" * 400_000})
        with pytest.raises(BackpressureError):
            parts.log({"pad": "x" * 400_000})
        until(lambda: len(parts.streaming.batcher), what="the commit of the event")
        (record,) = parts.settle()

    assert record.segment is not None


def test_patience_for_room_is_in_seconds() -> None:
    parts = AcceptingParts(accepting_config(queue_max_events=1, queue_full_timeout_ms=90_000, data_key_wait_ms=0))
    parts.log()
    parts.log()

    left = parts.accepting.intake.expire()

    assert left is not None
    assert 0 < left <= 90
    parts.accepting.all.refuse_waiting()


@pytest.mark.parametrize("sizes", [[900], [500, 500]])
def test_batch_is_ready_at_its_size(sizes: list[int]) -> None:
    parts = AcceptingParts(accepting_config(batch_size_kb=1, batch_timeout_ms=60_000))
    for size in sizes:
        parts.log({"pad": "x" * size})

    assert len(parts.streaming.batcher.take(0)) == len(sizes)


def test_batch_is_not_ready_before_its_time() -> None:
    parts = AcceptingParts(accepting_config(batch_size_kb=10_240, batch_timeout_ms=60_000))
    parts.log()

    assert parts.streaming.batcher.take(0.01) == []
    assert len(parts.settle()) == 1


def test_other_services_have_no_stream() -> None:
    accepting = AcceptingParts(accepting_config()).accepting

    assert (accepting.others, accepting.checkpoints, accepting.all.sharing()) == (None, None, None)


def test_checkpointer_of_the_stream_is_the_only_signer(tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "key", PASSPHRASE, name="audit")
    signing = SigningConfig(key_path=tmp_path / "key", passphrase=SecretStr(PASSPHRASE))
    parts = AcceptingParts(accepting_config(), signer=CheckpointSigner(signing, source="/test/gateway", topic="t"))
    parts.log()
    checkpoints = parts.accepting.checkpoints
    assert checkpoints is not None

    checkpoints.expect_end()

    assert len([*checkpoints.before_send(parts.settle())]) == 1


def test_absent_observers_are_left_out() -> None:
    first, second = Seen(), Seen()

    assert observed(None, first, None, second) == [first, second]
    assert observed(None) == []

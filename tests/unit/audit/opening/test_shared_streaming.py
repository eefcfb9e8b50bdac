"""A process that logs for other services gives each a stream of its own, and shares the rest among all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from telemetry.audit.opening import shared_streaming
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import BackpressureError, LifecycleError
from telemetry.format.proof.checkpoint import Checkpoint, read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from tests.support.accepting_parts import OWN, AcceptingParts, accepting_config
from tests.support.until import until

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def signing(tmp_path: Path) -> SigningConfig:
    SigningKey.create(tmp_path / "key", PASSPHRASE, name="audit")
    return SigningConfig(key_path=tmp_path / "key", passphrase=SecretStr(PASSPHRASE))


def _signing_parts(signing: SigningConfig, **shared: float) -> AcceptingParts:
    signer = CheckpointSigner(signing, source="/test/gateway", topic="audit-events")
    return AcceptingParts(accepting_config(shared=shared, signing_config=signing), signer=signer)


def _checkpoints(parts: AcceptingParts, records: list[SealedRecord]) -> list[Checkpoint]:
    assert parts.accepting.checkpoints is not None
    messages = [decode_checkpoint_message(record.value) for record in parts.accepting.checkpoints.before_send(records)]
    return [read_unverified(message.data)[1] for message in messages if message is not None]


def test_each_service_has_its_own_numbers() -> None:
    parts = AcceptingParts(accepting_config(shared={}))
    for _ in range(5):
        for name in ("payments", "orders", OWN):
            parts.log_as(name)

    records = parts.settle()

    by_producer: dict[str, list[int | None]] = {}
    for record in records:
        by_producer.setdefault(record.producer, []).append(record.sequence)
    assert [*by_producer.values()] == [[*range(5)]] * 3
    assert parts.stream.producer in by_producer
    assert parts.accepting.others is not None
    assert parts.accepting.others.open_streams() == 2, "the own one is none of another service"


def test_own_name_has_no_second_stream() -> None:
    parts = AcceptingParts(accepting_config(shared={}))
    assert parts.accepting.others is not None

    assert parts.accepting.others.pipeline_of(OWN, parts.whole) is parts.whole
    assert parts.accepting.others.open_streams() == 0


@pytest.mark.parametrize("flooding", [OWN, "payments"])
def test_flood_of_one_stream_leaves_room_for_another(flooding: str) -> None:
    config = accepting_config(shared={"max_share": 0.25}, queue_max_events=40, queue_full_timeout_ms=0)
    parts = AcceptingParts(config)
    other = "payments" if flooding == OWN else OWN

    assert all(parts.log_as(flooding).is_accepted for _ in range(10)), "a quarter"
    with pytest.raises(BackpressureError):
        parts.log_as(flooding)
    assert all(parts.log_as(other).is_accepted for _ in range(7))
    parts.settle()
    assert parts.log_as(flooding).is_accepted, "what is settled counts no more"


def test_lines_share_one_bound_of_what_waits() -> None:
    parts = AcceptingParts(accepting_config(shared={"max_share": 1}, queue_max_events=2))
    parts.log()
    parts.log_for("payments")
    waiting = [parts.log(), parts.log_for("payments")]
    assert not any(receipt.is_accepted for receipt in waiting)

    for name in (OWN, "orders"):
        with pytest.raises(BackpressureError, match="as many as may"):
            parts.log_as(name)

    parts.accepting.all.close(LifecycleError("over"))
    parts.accepting.all.refuse_waiting()


def test_refusals_of_every_stream_are_counted() -> None:
    parts = AcceptingParts(accepting_config(shared={"max_share": 1}, queue_max_events=1))
    parts.log()
    parts.log_for("payments")
    parts.accepting.all.close(LifecycleError("over"))

    parts.accepting.all.refuse_waiting()

    assert parts.ledger.counts.refused == 1


def test_streams_are_bounded() -> None:
    parts = AcceptingParts(accepting_config(shared={"max_streams": 2}))
    parts.log_for("payments")
    parts.log_for("orders")

    with pytest.raises(BackpressureError, match="max_streams"):
        parts.log_for("users")
    assert parts.log().is_accepted, "the own stream is none of them"


def _spooling(folder: Path, **shared: float) -> AcceptingParts:
    return AcceptingParts(accepting_config(shared=shared, spool_path=folder / "spool", storage_secret="5a" * 32))


def test_each_stream_has_its_file_in_the_spool(tmp_path: Path) -> None:
    parts = _spooling(tmp_path)
    with parts.opened:
        parts.log()
        parts.log_for("payments")
        until(lambda: len(parts.streaming.batcher) == 2, what="the commit of both events")
        segments = {record.segment for record in parts.settle()}

    assert len(segments) == 2
    assert None not in segments


def test_files_of_a_spool_bound_the_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_streaming, "most_streams", lambda wanted: wanted - 2)
    parts = _spooling(tmp_path, max_streams=3)
    with parts.opened:
        parts.log_for("payments")
        with pytest.raises(BackpressureError, match="max_streams"):
            parts.log_for("orders")

    without_files = AcceptingParts(accepting_config(shared={"max_streams": 3}))
    assert all(without_files.log_for(name).is_accepted for name in ("payments", "orders", "users"))


def test_each_stream_ends_with_a_checkpoint_of_its_own(signing: SigningConfig) -> None:
    parts = _signing_parts(signing)
    parts.log()
    parts.log_for("payments")
    parts.log_for("payments")
    parts.accepting.all.close(LifecycleError("over"))
    assert parts.accepting.checkpoints is not None
    parts.accepting.checkpoints.expect_end()

    ends = _checkpoints(parts, parts.settle())

    assert [(end.source, end.size, end.final) for end in ends] == [
        ("/test/gateway", 1, True),
        ("/test/payments", 2, True),
    ]
    assert len({end.producer for end in ends}) == 2


def test_idle_stream_ends_though_nothing_is_signed() -> None:
    parts = AcceptingParts(accepting_config(shared={"idle_seconds": 1}))
    rounds, others = parts.accepting.checkpoints, parts.accepting.others
    assert rounds is not None
    assert others is not None
    first = parts.log_for("payments")
    assert [*rounds.before_send(parts.settle())] == []
    assert others.open_streams() == 1

    until(
        lambda: [*rounds.before_send(())] or not others.open_streams(),
        what="the end of the idle stream",
    )

    following = parts.log_for("payments")
    assert (following.producer != first.producer, following.sequence) == (True, 0)
    assert parts.accepting.all.accepted == 2

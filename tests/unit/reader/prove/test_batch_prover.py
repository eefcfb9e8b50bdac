"""Many records are proven in one pass, each as it would be alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from telemetry.exceptions import IncompleteError, TamperedError, VerificationError
from telemetry.format.proof.inclusion import encode_proof, verify_proof
from telemetry.reader.entry import RawRecord
from telemetry.reader.prove import batch_prover, candidates
from telemetry.reader.prove.batch_prover import BatchProver
from telemetry.reader.prove.find import ClaimedPosition
from telemetry.reader.prove.prover import Prover
from telemetry.reader.verify.checkpoint_judge import CheckpointJudge, JudgedCheckpoint
from tests.support.written_trail import Process, Signer, altered, topic

SIGNER = Signer()


def position(sequence: int, *, number: int = 1, trusted: bool = True) -> ClaimedPosition:
    return ClaimedPosition(Process(number).producer, None, sequence, is_trusted=trusted)


def batch_of(records: Sequence[RawRecord], positions: Sequence[ClaimedPosition]) -> BatchProver:
    batch = BatchProver(positions, trusted=[SIGNER.public])
    batch.observe_all(records)
    return batch


def outcome(records: Sequence[RawRecord], wanted: ClaimedPosition) -> bytes | str:
    """Return the proof file of a record that is proven alone, or why there is none."""
    prover = Prover(wanted.producer, wanted.sequence, trusted=[SIGNER.public])
    prover.observe_all(records)
    try:
        return encode_proof(prover.proof())
    except VerificationError as exc:
        return str(exc)


def outcome_in(batch: BatchProver, wanted: ClaimedPosition) -> bytes | str:
    try:
        return encode_proof(batch.proof(wanted)[0])
    except VerificationError as exc:
        return str(exc)


def sequence_in(record: RawRecord, numbers: set[int]) -> bool:
    return any(b'"sequence":%d,' % number in (record.value or b"") for number in numbers)


@pytest.mark.parametrize("leaves", [False, True])
def test_every_record_of_two_streams(leaves: bool) -> None:
    records = topic([*Process(1, leaves=leaves).run(95), *Process(2, leaves=leaves).run(30)], partitions=3)
    wanted = [*(position(number) for number in range(95)), *(position(number, number=2) for number in range(30))]
    for order in (records, records[::-1]):
        batch = batch_of(order, wanted)
        for place in wanted:
            proof, believed = batch.proof(place)
            proven = verify_proof(encode_proof(proof), [SIGNER.public])
            assert proven.message.attributes["producer"] == place.producer
            assert proven.message.attributes["sequence"] == place.sequence
            assert [judgement.key for judgement in believed] == [SIGNER.public]


@pytest.mark.parametrize("seed", range(12))
def test_same_outcome_as_alone(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a choice that can be repeated
    # Intervals with leaves, without leaves, and with forged ones; records that are absent, altered and forged.
    records = topic(Process(leaves=seed % 3 > 0).run(95, end=seed % 2 == 0))
    spoiled = set(chance.sample(range(95), 6))
    if seed % 3 == 2:
        records = [
            record._replace(headers=tuple((name, content[:-1] + b"x") for name, content in record.headers))
            if chance.random() < 0.5
            else record
            for record in records
        ]
    forged = [altered(record, lambda value: value + b" ") for record in records if sequence_in(record, spoiled)]
    absent = set(chance.sample(range(95), 2))
    records = [*forged, *(record for record in records if not sequence_in(record, absent))]
    chance.shuffle(records)
    wanted = [position(number) for number in chance.sample(range(95), 30)]

    batch = batch_of(records, wanted)

    assert [outcome_in(batch, place) for place in wanted] == [outcome(records, place) for place in wanted]


def test_only_the_intervals_are_held() -> None:
    records = topic(Process().run(500))
    assert batch_of(records, [position(15), position(12), position(333)]).held == 20


def test_checkpoint_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[JudgedCheckpoint] = []
    judge = CheckpointJudge.judge

    def count(*arguments: object, **options: object) -> JudgedCheckpoint:
        judged.append(judge(*arguments, **options))  # type: ignore[arg-type]
        return judged[-1]

    monkeypatch.setattr(CheckpointJudge, "judge", count)
    records = topic([*Process().run(95), *Process(2).run(95)])
    batch_of(records, [position(number) for number in range(95)])
    # Ten of the stream; the other stream is not looked at.
    assert len(judged) == 10


def test_failure_of_one_leaves_the_others() -> None:
    records = [record for record in topic(Process().run(95)) if not sequence_in(record, {45})]
    batch = batch_of(records, [position(42), position(45), position(52)])
    with pytest.raises(IncompleteError, match="45 to 45"):
        batch.proof(position(42))
    with pytest.raises(IncompleteError, match="not in the trail"):
        batch.proof(position(45))
    assert batch.proof(position(52))[0].sequence == 52


def test_rivals_of_one_interval_leave_room_in_another() -> None:
    records = topic(Process().run(95))
    flood = [
        altered(record, lambda value, n=n: value + b" " * n)  # type: ignore[misc]
        for record in records
        if sequence_in(record, {41, 43, 44})
        for n in range(1, 20)
    ]
    one = [altered(record, lambda value: value + b" ") for record in records if sequence_in(record, {51})]
    batch = batch_of([*flood, *one, *records], [position(42), position(52)])
    assert batch.proof(position(52))[0].sequence == 52
    with pytest.raises(TamperedError):
        batch.proof(position(42))


def test_unsigned_stream_uses_up_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_prover, "MAX_HELD_EVENTS", 40)
    invented = topic(Process(2, signer=Signer(2, "stranger")).run(300))
    batch = batch_of(
        [*invented, *topic(Process().run(15))], [position(299, number=2, trusted=False), position(12), position(3)]
    )
    assert [batch.proof(position(number))[0].sequence for number in (12, 3)] == [12, 3]
    assert batch.held <= 80


def test_flood_of_one_number_leaves_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "MAX_CANDIDATES", 8)
    monkeypatch.setattr(candidates, "MAX_MEMORY_BYTES", 100)
    records = topic(Process(leaves=True).run(95))
    true = next(record for record in records if sequence_in(record, {42}))
    flood = [altered(true, lambda value, n=n: value + b" " * n) for n in range(1, 30)]  # type: ignore[misc]
    batch = batch_of([*flood, *records], [position(42), position(43)])
    with pytest.raises(TamperedError, match="too many records claim"):
        batch.proof(position(42))
    assert batch.proof(position(43))[0].sequence == 43
    batch.close()

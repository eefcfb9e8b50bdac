"""Single records are proven from a trail in any order."""

from __future__ import annotations

import pytest

from telemetry.exceptions import IncompleteError, TamperedError
from telemetry.format.proof.inclusion import InclusionProof, encode_proof, verify_proof
from telemetry.reader.entry import RawRecord
from telemetry.reader.prove.prover import Prover
from tests.support.written_trail import Process, Signer, altered, topic

SIGNER = Signer()


def proof_of(records: list[RawRecord], sequence: int, *, number: int = 1) -> InclusionProof:
    prover = Prover(Process(number).producer, sequence, trusted=[SIGNER.public])
    prover.observe_all(records)
    return prover.proof()


@pytest.mark.parametrize("sequence", [0, 9, 10, 42, 94])
def test_record_is_proven_from_its_interval(sequence: int) -> None:
    records = topic([*Process(1).run(95, users=7), *Process(2).run(30)], partitions=3)
    for order in (records, records[::-1], sorted(records, key=lambda record: record.place.partition or 0)):
        proof = proof_of(order, sequence)
        proven = verify_proof(encode_proof(proof), [SIGNER.public])
        assert proven.message.attributes["sequence"] == sequence
        assert proven.checkpoint.size == min(sequence // 10 * 10 + 10, 95)


def test_only_the_interval_is_needed() -> None:
    records = topic(Process().run(95))
    assert proof_of(records[44:66], 55).sequence == 55


def test_only_the_interval_is_held() -> None:
    prover = Prover(Process().producer, 480, trusted=[SIGNER.public])
    prover.observe_all(topic(Process().run(500)))
    assert prover._window.count == 10


def test_altered_copy_is_not_proven() -> None:
    records = topic(Process().run(95))
    at = next(at for at, record in enumerate(records) if b'"sequence":42,' in (record.value or b""))
    proof = proof_of([altered(records[at], lambda value: value + b" "), *records], 42)
    assert proof.value == records[at].value


def test_record_is_missing() -> None:
    with pytest.raises(IncompleteError, match="not in the trail"):
        proof_of(topic(Process(2).run(95)), 42)


def test_no_checkpoint_covers_the_record_yet() -> None:
    with pytest.raises(IncompleteError, match="no checkpoint"):
        proof_of(topic(Process().run(45, end=False)), 42)
    with pytest.raises(IncompleteError, match="no checkpoint"):
        proof_of(topic(Process(signer=Signer(2, "stranger")).run(95)), 42)


def test_neighbour_is_missing() -> None:
    records = [record for record in topic(Process().run(95)) if b'"sequence":45,' not in (record.value or b"")]
    with pytest.raises(IncompleteError, match="45 to 45"):
        proof_of(records, 42)


def test_neighbour_was_altered() -> None:
    records = topic(Process().run(95))
    at = next(at for at, record in enumerate(records) if b'"sequence":45,' in (record.value or b""))
    records[at] = altered(records[at], lambda value: value + b" ")
    with pytest.raises(TamperedError, match="40 to 49"):
        proof_of(records, 42)


@pytest.mark.parametrize("first", [True, False])
def test_forged_neighbour_does_not_prevent_the_proof(first: bool) -> None:
    records = topic(Process().run(95))
    forged = [
        altered(record, lambda value: value + b" ")
        for record in records
        if any(b'"sequence":%d,' % number in (record.value or b"") for number in (3, 41, 45, 49, 90))
    ]
    found = [*forged, *records] if first else [*records, *forged]
    for order in (found, found[::-1]):
        assert proof_of(order, 42).sequence == 42


def test_many_forgeries_end_in_bounded_time() -> None:
    records = topic(Process().run(95))
    checkpoints = [record for record in records if b"telemetry.checkpoint" in (record.value or b"")]
    forged = [altered(record, lambda value, n=n: value + b" " * n) for record in records for n in range(1, 9)]  # type: ignore[misc]
    with pytest.raises(TamperedError):
        proof_of([*checkpoints, *forged, *records], 42)


def test_garbage_is_skipped() -> None:
    process = Process()
    garbage = [RawRecord(None, value, record.place) for record in topic(process.run(3)) for value in (None, b"", b"{}")]
    producer = b'"producer":"%b"' % process.producer.encode()
    garbage.append(garbage[0]._replace(value=b"{%b,}" % producer))
    assert proof_of([*garbage, *topic(Process().run(95))], 42).sequence == 42

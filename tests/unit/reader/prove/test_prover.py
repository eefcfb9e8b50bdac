"""Single records are proven from a trail in any order."""

from __future__ import annotations

import pytest

from telemetry.exceptions import IncompleteError, TamperedError
from telemetry.format.proof.inclusion import InclusionProof, encode_proof, verify_proof
from telemetry.reader.entry import RawRecord
from telemetry.reader.prove.prover import Prover
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
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
    assert prover._batch.held == 10


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


class TestSignedLeaves:
    """A checkpoint that brings the leaves of its interval along needs no other record, and no trial."""

    def test_only_the_record_and_its_checkpoint_are_needed(self) -> None:
        records = topic(Process(leaves=True).run(95))
        event = next(record for record in records if b'"sequence":42,' in (record.value or b""))
        for order in ([event, records[54]], [records[54], event]):
            proof = proof_of(order, 42)
            assert verify_proof(encode_proof(proof), [SIGNER.public]).checkpoint.size == 50

    @pytest.mark.parametrize("sequence", [41, 42, 45])
    @pytest.mark.parametrize("first", [True, False])
    def test_hundred_rivals_do_not_prevent_the_proof(self, sequence: int, first: bool) -> None:
        records = topic(Process(leaves=True).run(95))
        true = next(record for record in records if b'"sequence":%d,' % sequence in (record.value or b""))
        rivals = [altered(true, lambda value, n=n: value + b" " * n) for n in range(1, 101)]  # type: ignore[misc]
        proof = proof_of([*rivals, *records] if first else [*records, *rivals], 42)
        assert (proof.sequence, b'"sequence":42,' in proof.value) == (42, True)

    def test_altered_record_is_not_proven(self) -> None:
        records = topic(Process(leaves=True).run(95))
        at = next(at for at, record in enumerate(records) if b'"sequence":42,' in (record.value or b""))
        records[at] = altered(records[at], lambda value: value + b" ")
        with pytest.raises(TamperedError, match="it was altered"):
            proof_of(records, 42)

    def test_forged_leaves_are_ignored(self) -> None:
        records = [
            record._replace(headers=tuple((name, content[:-1] + b"x") for name, content in record.headers))
            for record in topic(Process(leaves=True).run(95))
        ]
        assert proof_of(records, 42).sequence == 42

    def test_keys_that_are_believed_are_named(self) -> None:
        prover = Prover(Process().producer, 42, trusted=[SIGNER.public])
        prover.observe_all(topic(Process(leaves=True).run(95)))
        prover.proof()
        assert [judgement.key for judgement in prover.believed] == [SIGNER.public]


def test_key_of_another_role_proves_nothing() -> None:
    key = TrustedKey(public=SIGNER.public, roles=frozenset({Role.READER}), sources=("/*/telemetry-reader",))
    prover = Prover(Process().producer, 42, trusted=TrustPolicy((key,)))
    prover.observe_all(topic(Process().run(95)))
    with pytest.raises(IncompleteError, match="no checkpoint"):
        prover.proof()

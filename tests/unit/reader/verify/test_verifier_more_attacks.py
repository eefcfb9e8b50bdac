"""Attacks at the edges, several at once, and among several producers; untouched records raise no alarm."""

from __future__ import annotations

from itertools import chain, zip_longest

import pytest

from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from telemetry.reader.verify.foreign import ForeignKind
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import ProducerReport, Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, TOPIC, Process, Signer, altered, topic, verify


def interleaved(*lives: list[RawRecord]) -> list[RawRecord]:
    """Return the records of several processes that logged side by side."""
    return [record for record in chain.from_iterable(zip_longest(*lives)) if record is not None]


def position(records: list[RawRecord], process: Process, sequence: int) -> int:
    needle = f'"producer":"{process.producer}"'.encode(), f'"sequence":{sequence},'.encode()
    return next(at for at, record in enumerate(records) if all(part in (record.value or b"") for part in needle))


def named(producer: ProducerReport) -> dict[Verdict, list[str]]:
    """Return the ranges that were found, by verdict."""
    return {verdict: [finding.range for finding in producer.of(verdict)] for verdict in producer.verdicts}


class TestEdges:
    @pytest.mark.parametrize(("sequence", "missing"), [(0, "0"), (94, "94")])
    def test_first_and_last_record_deleted(self, sequence: int, missing: str) -> None:
        process = Process()
        records = topic(process.run(95))
        del records[position(records, process, sequence)]
        assert named(verify(records).producer(process.producer)) == {Verdict.MISSING: [missing]}

    def test_final_checkpoint_deleted(self) -> None:
        records = topic(Process().run(95))[:-1]
        report = verify(records)
        assert named(report.producers[0]) == {Verdict.TRUNCATED: ["90-94"]}
        assert report.exit_code == 4

    def test_final_checkpoint_deleted_after_the_last_record(self) -> None:
        records = topic(Process().run(90))[:-1]
        assert named(verify(records).producers[0]) == {Verdict.TRUNCATED: [""]}

    def test_empty_topic_is_unverifiable(self) -> None:
        report = verify([])
        assert (report.verdict, report.exit_code) == (Verdict.UNVERIFIABLE, 4)

    def test_events_without_checkpoints_are_unverifiable(self) -> None:
        records = topic(record for record in Process().run(30) if b"telemetry.checkpoint" not in (record.value or b""))
        report = verify(records)
        assert (report.verdict, report.exit_code) == (Verdict.UNVERIFIABLE, 4)

    def test_events_deleted_between_checkpoints_are_missing(self) -> None:
        records = topic(record for record in Process().run(30) if b"telemetry.checkpoint" in (record.value or b""))
        assert named(verify(records).producers[0])[Verdict.MISSING] == ["0-9", "10-19", "20-29"]

    def test_single_event_is_proven(self) -> None:
        assert verify(topic(Process().run(1))).verdict is Verdict.COMPLETE


class TestSeveralProducers:
    def test_untouched_producers_are_complete(self) -> None:
        lives = [Process(number).run(60, users=7) for number in (1, 2, 3)]
        report = verify(topic(interleaved(*lives), partitions=4))
        assert {producer.verdict for producer in report.producers} == {Verdict.COMPLETE}

    def test_only_the_touched_producer_is_blamed(self) -> None:
        one, two, three = (Process(number) for number in (1, 2, 3))
        records = topic(interleaved(one.run(60), two.run(60), three.run(60)))
        del records[position(records, two, 33)]
        report = verify(records)
        assert named(report.producer(two.producer)) == {Verdict.MISSING: ["33"]}
        for other in (one, three):
            assert report.producer(other.producer).verdict is Verdict.COMPLETE

    def test_deleted_producer_is_found_by_the_state(self) -> None:
        one, two = Process(1), Process(2)
        records = topic(interleaved(one.run(30), two.run(30)))
        before = Verifier([Signer().public])
        before.observe_all(records)
        state = VerifierState.from_bytes(before.state().to_bytes())
        left = [record for record in records if f'"producer":"{two.producer}"'.encode() not in (record.value or b"")]
        assert verify(left).verdict is Verdict.COMPLETE
        report = verify(left, state=state, continued=False)
        assert report.exit_code == 4
        assert Verdict.TRUNCATED in report.producer(two.producer).verdicts

    def test_sequences_of_two_producers_swapped(self) -> None:
        one, two = Process(1), Process(2)
        records = topic(interleaved(one.run(60), two.run(60)))
        first, second = position(records, one, 22), position(records, two, 44)
        records[first] = altered(records[first], lambda value: value.replace(b'"sequence":22,', b'"sequence":44,'))
        records[second] = altered(records[second], lambda value: value.replace(b'"sequence":44,', b'"sequence":22,'))
        report = verify(records)
        assert report.exit_code == 3
        found = named(report.producer(one.producer)), named(report.producer(two.producer))
        assert (found[0][Verdict.MISSING], found[1][Verdict.MISSING]) == (["22"], ["44"])
        assert (found[0][Verdict.TAMPERED], found[1][Verdict.TAMPERED]) == (["44"], ["22"])

    def test_names_of_two_producers_swapped(self) -> None:
        one, two = Process(1), Process(2)
        records = topic(interleaved(one.run(60), two.run(60)))
        ours, theirs = one.producer.encode(), two.producer.encode()
        first, second = position(records, one, 22), position(records, two, 22)
        records[first] = altered(records[first], lambda value: value.replace(ours, theirs, 1))
        records[second] = altered(records[second], lambda value: value.replace(theirs, ours, 1))
        report = verify(records)
        for process in (one, two):
            findings = report.producer(process.producer).of(Verdict.TAMPERED)
            assert ("22", "producer") in {(finding.range, finding.field) for finding in findings}

    def test_two_services_with_one_signing_key(self) -> None:
        records = topic(interleaved(Process(1).run(30), Process(2, service="orders").run(30)))
        report = verify(records)
        assert [producer.source for producer in report.producers] == ["/production/payments"]
        (finding,) = report.findings
        assert (finding.verdict, finding.field, report.exit_code) == (Verdict.UNVERIFIABLE, "signature", 4)
        assert "/production/orders" in finding.reason
        key = TrustedKey(public=Signer().public, roles=frozenset({Role.SERVICE}), sources=("/production/*",))
        trusted = Verifier(TrustPolicy((key,)))
        trusted.observe_all(records)
        assert (trusted.report().total("proven"), trusted.report().exit_code) == (60, 0)


class TestCheckpointsFromElsewhere:
    def test_checkpoint_of_another_service(self) -> None:
        process, other = Process(1), Process(1, service="orders")
        records = process.run(20, end=False)
        other.run(20, end=False)
        report = verify(topic([*records, other.checkpoint(final=True)]))
        assert report.exit_code == 3

    def test_checkpoint_of_another_source(self) -> None:
        process = Process()
        records = process.run(20, end=False)
        process.source = "/staging/payments"
        report = verify(topic([*records, process.log(), process.checkpoint(final=True)]))
        assert report.exit_code == 3

    def test_checkpoint_of_another_topic(self) -> None:
        # Another process logs elsewhere: its checkpoint, moved here, promises records that are not here.
        elsewhere, here = Process(9), Process(1)
        moved = elsewhere.run(20)[-1]
        report = verify(topic([*here.run(20), moved]))
        assert report.producer(here.producer).verdict is Verdict.COMPLETE
        assert named(report.producer(elsewhere.producer)) == {Verdict.MISSING: ["0-19"]}
        assert report.exit_code == 4


class TestSeveralAtOnce:
    def test_delete_alter_duplicate_and_cut(self) -> None:
        process = Process()
        records = topic(process.run(95))
        at = position(records, process, 61)
        records[at] = altered(records[at], lambda value: value.replace(b'"type":"payment"', b'"type":"refund"'))
        records.insert(70, records[position(records, process, 5)])
        del records[position(records, process, 33)]
        del records[position(records, process, 91) : -1]
        found = named(verify(records).producer(process.producer))
        assert found[Verdict.MISSING] == ["33", "91-94"]
        assert found[Verdict.TAMPERED] == ["60-69"]
        assert Verdict.DUPLICATE in found

    def test_duplicate_in_place_of_a_deleted_record(self) -> None:
        process = Process()
        records = topic(process.run(95))
        records[position(records, process, 42)] = records[position(records, process, 41)]
        assert named(verify(records).producers[0])[Verdict.MISSING] == ["42"]

    def test_altered_duplicate_in_place_of_a_record(self) -> None:
        process = Process()
        records = topic(process.run(95))
        at, neighbour = position(records, process, 42), records[position(records, process, 41)]
        records[at] = altered(neighbour, lambda value: value.replace(b'"sequence":41,', b'"sequence":42,'))
        assert named(verify(records).producers[0]) == {Verdict.TAMPERED: ["40-49"]}

    def test_record_and_next_checkpoint_deleted(self) -> None:
        process = Process()
        records = topic(process.run(95))
        at = position(records, process, 48)
        del records[at], records[at + 1]
        assert named(verify(records).producers[0]) == {Verdict.MISSING: ["48"]}

    def test_trail_forged_under_another_signing_key(self) -> None:
        forged = Process(data_key=7, signer=Signer(66))
        report = verify(topic(forged.run(95)), Signer())
        assert report.exit_code == 4
        assert report.total("proven") == 0

    def test_fallback_does_not_hide_a_gap(self) -> None:
        process = Process()
        records = topic(process.run(95))
        stored = [
            record._replace(place=Place(TOPIC, None, line, "object.jsonl"))
            for line, record in enumerate(records[44:55], start=2)
        ]
        left = records[:44] + records[55:]
        del left[position(left, process, 12)]
        assert named(verify([*left, *stored]).producers[0]) == {Verdict.MISSING: ["12"]}


class TestRotation:
    def test_old_key_is_needed_after_rotation(self) -> None:
        old, new = Signer(1, "payments-2025"), Signer(2, "payments-2026")
        before, after = Process(1, signer=old), Process(2, signer=new)
        records = topic([*before.run(30), *after.run(30)])
        assert verify(records, old, new).exit_code == 0
        report = verify(records, new)
        assert (report.verdict, report.exit_code) == (Verdict.FOREIGN, 0)
        assert [producer.producer for producer in report.producers] == [after.producer]
        assert report.foreign.counts == {ForeignKind.CHECKPOINT: 4, ForeignKind.STREAM: 30}

    def test_key_rotated_under_the_same_name(self) -> None:
        old, new = Signer(1), Signer(2)
        records = topic([*Process(1, signer=old).run(30), *Process(2, signer=new).run(30)])
        assert verify(records, old, new).exit_code == 0


class TestState:
    def test_state_of_another_topic(self) -> None:
        elsewhere = Verifier([Signer().public])
        elsewhere.observe_all(topic(Process(9).run(30)))
        report = verify(topic(Process(1).run(30)), state=elsewhere.state(), continued=False)
        assert report.exit_code == 4
        assert Verdict.TRUNCATED in report.producer(Process(9).producer).verdicts

    def test_rolled_back_state_is_found_by_digest(self) -> None:
        process = Process()
        records = topic(process.run(60))
        verifier = Verifier([Signer().public])
        verifier.observe_all(records[:30])
        early = verifier.state(now=LATER)
        verifier = Verifier([Signer().public], state=early)
        verifier.observe_all(records[30:])
        late = verifier.state(now=LATER)
        with pytest.raises(Exception, match="rolled back or replaced"):
            VerifierState.from_bytes(early.to_bytes(), expected_digest=late.digest)

"""Trails that nobody has touched raise no alarm, and memory is bounded while they are read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from telemetry.exceptions import StorageError
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.value.render import render, render_head
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.verify.foreign import ForeignKind
from telemetry.reader.verify.tree import folding_tree
from telemetry.reader.verify.tree.leaf_window import PAGE_COST
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.verdicts import ProducerReport, Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, START, TOPIC, Process, Signer, altered, topic, verify


def name_of(process: Process) -> StreamName:
    return StreamName.of(process.producer, process.source)


def only(records: list[RawRecord], **options: Any) -> ProducerReport:
    """Verify a trail of one producer."""
    (producer,) = verify(records, **options).producers
    return producer


class TestPartsOfATrail:
    def test_records_before_the_range_are_not_missing(self) -> None:
        records = topic(Process().run(95))
        producer = only(records[46:], from_start=False)
        assert producer.verdicts == {Verdict.COMPLETE}
        assert (producer.records, producer.proven) == (53, 45)
        assert Verdict.MISSING in only(records[46:]).verdicts

    def test_gap_within_the_range_is_missing(self) -> None:
        records = topic(Process().run(95))
        part = records[46:]
        lost = part.pop(29)
        assert b'"sequence":69,' in (lost.value or b"")
        assert [finding.range for finding in only(part, from_start=False).of(Verdict.MISSING)] == ["69"]

    def test_producer_that_began_within_the_range(self) -> None:
        records = topic([*Process(1).run(30), *Process(2).run(20)])
        report = verify(records[25:], from_start=False)
        assert [producer.proven for producer in report.producers] == [0, 20]
        assert report.exit_code == 0

    def test_stream_beyond_the_range_is_not_truncated(self) -> None:
        records = topic(Process().run(95, users=7), partitions=3)
        producer = only(records[:60], to_end=False)
        assert producer.verdicts == {Verdict.COMPLETE}
        assert Verdict.TRUNCATED in only(records[:60]).verdicts


class TestKinds:
    def test_events_logged_in_the_clear_are_proven(self) -> None:
        process = Process()
        records = []
        for number in range(20):
            head = render_head(process.source, process.producer, key_uri=None, wrapped_key=None)
            data = json.dumps({"n": number}).encode()
            tail = b',"id":"x","time":"y","type":"z","data":'
            value = render(head, sequence=number, key=b"alice:payments", tail=tail, data=data, sealed=False)
            process.tree.append(hashlib.sha256(b"\x00" + value).digest())
            records.append(RawRecord(b"alice:payments", value, Place(TOPIC)))
        producer = only(topic([*records, process.checkpoint(final=True)]))
        assert producer.verdicts == {Verdict.COMPLETE}
        assert producer.proven == 20

    def test_hashed_kafka_keys_are_accepted(self) -> None:
        records = topic(Process(hashed_keys=True).run(95))
        assert len(records[0].key or b"") == 64
        assert only(records).verdicts == {Verdict.COMPLETE}

    def test_records_in_the_fallback_are_not_missing(self) -> None:
        records = topic(Process().run(95))
        stored = [
            record._replace(place=Place("s3://bucket", None, line, "object.jsonl"))
            for line, record in enumerate(records[40:70], start=2)
        ]
        rest = records[:40] + records[70:]
        assert Verdict.MISSING in only(rest).verdicts
        for order in ([*rest, *stored], [*stored, *rest], [*rest, *stored, *stored]):
            assert only(order).verdict is Verdict.COMPLETE

    def test_recovered_stream_is_closed(self) -> None:
        process = Process()
        producer = only(topic([*process.run(25, end=False), process.checkpoint(recovered=True)]))
        assert producer.verdicts == {Verdict.COMPLETE}
        assert producer.is_closed
        assert [str(finding.reason)[:21] for finding in producer.findings] == ["recovered: 25 records"]

    def test_end_of_an_older_copy_is_named(self) -> None:
        process = Process()
        records = [*process.run(20, end=False), early := process.checkpoint(recovered=True)]
        records += [*process.run(5, end=False), process.checkpoint(final=True)]
        for order in (records, [*(record for record in records if record is not early), early]):
            producer = only(topic(order))
            assert (producer.verdict, producer.proven, producer.is_closed) == (Verdict.COMPLETE, 25, True)
            assert "old copy: an end of 20 records" in str(producer.findings)

    def test_earlier_recovery_ends_no_longer_stream(self) -> None:
        process = Process()
        records = [*process.run(20, end=False), early := process.checkpoint(recovered=True)]
        records += [*process.run(5, end=False), process.checkpoint()]
        for order in (records, [*(record for record in records if record is not early), early]):
            producer = only(topic(order))
            assert (producer.verdict, producer.proven, producer.is_closed) == (Verdict.TRUNCATED, 25, False)
            assert "old copy: an end of 20 records" in str(producer.findings)

    def test_records_after_a_recovered_end_are_unproven(self) -> None:
        process = Process()
        records = [*process.run(25, end=False), process.checkpoint(recovered=True), process.log()]
        report = verify(topic(records))
        assert report.producers[0].verdicts == {Verdict.COMPLETE}
        assert (report.verdict, report.foreign.counts) == (Verdict.FOREIGN, {ForeignKind.BEYOND: 1})

    def test_stream_without_events_is_complete(self) -> None:
        producer = only(topic([Process().checkpoint(), Process().checkpoint(final=True)]))
        assert (producer.verdict, producer.records, producer.size) == (Verdict.COMPLETE, 0, 0)

    def test_checkpoints_without_frontier_prove_records(self) -> None:
        process = Process()
        records: list[RawRecord] = []
        for number in range(40):
            records.append(process.log())
            if number % 10 == 9:
                checkpoint = Checkpoint.of(
                    process.tree,
                    source=process.source,
                    producer=process.producer,
                    time=process.time,
                    final=number == 39,
                )
                records.append(process.record_of(dataclasses.replace(checkpoint, frontier=None)))
        placed = topic(records)
        assert only(placed).verdicts == {Verdict.COMPLETE}
        assert only(placed).proven == 40
        lost = placed.pop(17)
        assert b'"sequence":16,' in (lost.value or b"")
        assert [finding.range for finding in only(placed).of(Verdict.MISSING)] == ["16"]
        placed.insert(17, altered(lost, lambda value: value + b" "))
        assert only(placed).verdict is Verdict.TAMPERED

    def test_damaged_object_of_a_source_is_foreign(self) -> None:
        place = Place("s3://bucket", None, 1, "object.jsonl")
        verifier = Verifier([Signer().public])
        verifier.observe_all(topic(Process().run(20)))
        verifier.observe(DamagedRecord(place, StorageError("the digest differs"), RawRecord(None, None, place)))
        report = verifier.report(now=LATER)
        (example,) = report.foreign.examples
        assert (example.kind, example.place, report.exit_code) == (ForeignKind.UNREADABLE, str(place), 0)

    def test_records_under_way_are_not_missing(self) -> None:
        process = Process()
        records = topic(process.run(50, end=False))
        del records[47]
        soon = verify(records, now=process.clock + timedelta(seconds=5), open_seconds=30)
        assert soon.exit_code == 0
        assert soon.producers[0].is_open
        assert Verdict.MISSING in verify(records, now=START + timedelta(hours=1)).producers[0].verdicts


class TestBounds:
    def test_long_tail_is_folded_and_proven_later(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folding_tree, "TAIL_LEAVES", 16)
        records = topic(Process().run(95, every=1_000))
        assert only(records).proven == 95
        verifier = Verifier([Signer().public])
        verifier.observe_all(records[:90])
        assert len(verifier._streams.of(name_of(Process())).tree._tail) > 16 * 32
        verifier.observe(records[95])
        assert verifier.report().total("proven") == 0
        verifier = Verifier([Signer().public])
        verifier.observe_all(topic([Process().checkpoint(), *Process().run(90, end=False, every=1_000)]))
        assert len(verifier._streams.of(name_of(Process())).tree._tail) <= 16 * 32
        records[50] = altered(records[50], lambda value: value + b" ")
        (finding,) = only(records).of(Verdict.TAMPERED)
        assert finding.range == "0-94"

    def test_gap_after_a_folded_tail(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folding_tree, "TAIL_LEAVES", 16)
        records = topic(Process().run(95, every=50))
        lost = records.pop(42)
        producer = only(records)
        assert [finding.range for finding in producer.of(Verdict.MISSING)] == ["42"]
        assert producer.verdicts == {Verdict.MISSING}
        late = only([*records, lost])
        assert late.proven == 95
        assert late.verdicts == {Verdict.REORDERED}

    def test_intervals_with_gaps_leave_room_for_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(folding_tree, "JUMP_LEAVES", 5)
        records = topic(Process().run(500))
        lost = [records.pop(at) for at in (455, 222, 18, 17)]
        verifier = Verifier([Signer().public])
        verifier.observe_all(records)
        assert verifier._streams.of(name_of(Process())).tree.held.window.count < 40
        assert sum((found.last or 0) - (found.first or 0) + 1 for found in only(records).of(Verdict.MISSING)) == 4
        verifier.observe_all(lost)
        assert verifier.report(now=LATER).total("proven") == 500

    def test_records_without_room_are_not_missing(self) -> None:
        records = topic(Process().run(2_000))
        scattered = sorted(records[1:], key=lambda record: hashlib.sha256(record.value or b"").digest())
        producer = only([*scattered, records[0]], max_held_events=256)
        assert Verdict.UNVERIFIABLE in producer.verdicts
        assert not producer.of(Verdict.MISSING)
        assert not producer.of(Verdict.TAMPERED)
        assert producer.records == 2_000

    def test_sequences_far_apart_do_not_fill_memory(self) -> None:
        process = Process()
        record = process.log()
        verifier = Verifier([Signer().public], max_held_events=10_000)
        for number in range(3_000):
            spread = (record.value or b"").replace(b'"sequence":0,', b'"sequence":%d,' % (number * 10**9 + 1))
            verifier.observe(record._replace(value=spread, place=Place(TOPIC, 0, number)))
        tree = verifier._streams.of(name_of(process)).tree
        # Each of them needs a page of its own, which counts as much as the leaf hashes that would fit into its memory.
        assert tree.held.window.count <= 10_000 // PAGE_COST
        assert verifier.report(now=LATER).exit_code == 4

    def test_copy_of_a_forgotten_record_is_uncompared(self) -> None:
        records = topic(Process().run(500))
        copy = altered(records[5], lambda value: value + b" ")
        assert only([*records, copy]).verdict is Verdict.TAMPERED
        many = topic([*Process(1).run(500), *Process(2).run(500), *Process(3).run(500)])
        report = verify([*many, copy], max_remembered=600)
        assert report.exit_code == 0
        assert report.total("uncompared") == 1


class TestReport:
    def test_report_has_no_truth_value(self) -> None:
        with pytest.raises(TypeError, match="exit_code"):
            bool(verify(topic(Process().run(5))))

    def test_report_becomes_json(self) -> None:
        records = topic(Process().run(95))
        del records[12]
        values = json.loads(json.dumps(verify(records).to_dict()))
        assert (values["verdict"], values["exit_code"]) == ("missing", 4)
        assert values["producers"][0]["findings"][0]["first"] == 11

    def test_reading_continues_after_a_report(self) -> None:
        records = topic(Process().run(95))
        verifier = Verifier([Signer().public])
        for at in range(0, len(records), 9):
            verifier.observe_all(records[at : at + 9])
            verifier.report(now=LATER)
        assert verifier.report(now=LATER).total("proven") == 95

    def test_producer_that_was_never_seen(self) -> None:
        with pytest.raises(KeyError):
            verify(topic(Process(1).run(5))).producer(Process(2).producer)

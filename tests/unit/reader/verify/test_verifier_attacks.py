"""Attacks of somebody who can write to the topic or to the auditor's disk: each gets the right verdict."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import RawRecord
from telemetry.reader.verify.foreign import ForeignKind
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, START, DataKey, Process, Signer, altered, topic, verify


def only(records: list[RawRecord], *keys: Signer) -> ProducerReport:
    """Verify a trail of one producer."""
    report = verify(records, *keys)
    (producer,) = report.producers
    assert report.exit_code == producer.verdict.exit_code
    return producer


def found(producer: ProducerReport, verdict: Verdict) -> Finding:
    """Return the one finding of a kind."""
    (finding,) = producer.of(verdict)
    return finding


def position(records: list[RawRecord], sequence: int) -> int:
    """Return the index of the record with this sequence."""
    return next(at for at, record in enumerate(records) if f'"sequence":{sequence},'.encode() in (record.value or b""))


def swap_attribute(records: list[RawRecord], one: int, other: int, name: str) -> None:
    """Swap the text of a clear attribute between two records."""
    first, second = records[one], records[other]
    ours, theirs = text_of(first, name), text_of(second, name)
    records[one] = altered(first, lambda value: value.replace(ours, theirs))
    records[other] = altered(second, lambda value: value.replace(theirs, ours))


def text_of(record: RawRecord, name: str) -> bytes:
    value = record.value or b""
    start = value.index(f'"{name}":"'.encode())
    return value[start : value.index(b'"', start + len(name) + 4) + 1]


def test_untouched_trail_is_complete() -> None:
    producer = only(topic(Process().run(95), partitions=3))
    assert producer.verdicts == {Verdict.COMPLETE}
    assert (producer.records, producer.proven, producer.size, producer.is_closed) == (95, 95, 95, True)
    assert producer.keys == (str(Signer().public).rsplit("+", 1)[0],)


class TestDelete:
    def test_deleted_record_is_missing(self) -> None:
        records = topic(Process().run(95))
        del records[position(records, 42)]
        producer = only(records)
        assert producer.verdicts == {Verdict.MISSING}
        assert found(producer, Verdict.MISSING).range == "42"
        assert producer.proven == 85

    def test_records_after_a_gap_are_proven(self) -> None:
        records = topic(Process().run(95))
        del records[position(records, 42)]
        at = position(records, 77)
        records[at] = altered(records[at], lambda value: value.replace(b'"type":"payment"', b'"type":"refund!"'))
        producer = only(records)
        assert producer.verdicts == {Verdict.MISSING, Verdict.TAMPERED}
        assert found(producer, Verdict.MISSING).range == "42"
        assert found(producer, Verdict.TAMPERED).range == "70-79"

    def test_deleted_interval_with_its_checkpoints_is_missing(self) -> None:
        records = topic(Process().run(95))
        producer = only(records[: position(records, 33)] + records[position(records, 57) :])
        assert producer.verdicts == {Verdict.MISSING}
        assert found(producer, Verdict.MISSING).range == "33-56"

    def test_deleted_beginning_is_missing(self) -> None:
        records = topic(Process().run(95))
        assert found(only(records[position(records, 12) :]), Verdict.MISSING).range == "0-11"

    def test_only_the_final_checkpoint_is_left(self) -> None:
        producer = only(topic(Process().run(95))[-1:])
        assert found(producer, Verdict.MISSING).range == "0-94"
        assert producer.proven == 0

    def test_every_checkpoint_deleted_proves_nothing(self) -> None:
        records = [record for record in topic(Process().run(95)) if b"checkpoint" not in (record.value or b"")]
        producer = only(records)
        assert producer.verdicts == {Verdict.UNVERIFIABLE}
        assert "no checkpoint" in found(producer, Verdict.UNVERIFIABLE).reason

    def test_deleted_checkpoint_in_between_is_harmless(self) -> None:
        records = topic(Process().run(95))
        del records[10]
        assert only(records).verdicts == {Verdict.COMPLETE}

    def test_everything_deleted_is_unverifiable(self) -> None:
        report = verify([])
        assert report.verdict is Verdict.UNVERIFIABLE
        assert report.exit_code == 4


class TestDuplicate:
    def test_equal_copies_are_duplicates(self) -> None:
        process = Process()
        records = process.run(95)
        producer = only(topic([*records, *records[22:55]], partitions=2))
        assert producer.verdicts == {Verdict.DUPLICATE}
        assert producer.verdict is Verdict.COMPLETE
        assert (producer.records, producer.duplicates) == (95, 30)

    def test_altered_copy_after_the_true_record(self) -> None:
        records = topic(Process().run(95))
        copy = altered(records[position(records, 42)], lambda value: value[:-10] + b"AAAAAAAA" + value[-2:])
        producer = only([*records, copy])
        finding = found(producer, Verdict.TAMPERED)
        assert finding.range == "42"
        assert finding.place == str(copy.place)
        assert producer.proven == 95

    def test_altered_copy_before_the_true_record(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        copy = altered(records[at], lambda value: value[:-10] + b"AAAAAAAA" + value[-2:])
        producer = only([*records[:at], copy, *records[at:]])
        finding = found(producer, Verdict.TAMPERED)
        assert (finding.range, producer.proven) == ("42", 95)
        assert "read first" in finding.reason

    def test_differing_copies_that_no_checkpoint_judges(self) -> None:
        process = Process()
        records = topic([*process.run(20, end=False), *(process.log() for _ in range(5))])
        copy = altered(records[-2], lambda value: value[:-10] + b"AAAAAAAA" + value[-2:])
        producer = only([*records, copy])
        assert producer.verdicts == {Verdict.TRUNCATED}
        assert found(producer, Verdict.TRUNCATED).range == "20-24"


class TestReorder:
    def test_two_records_of_a_user_swapped(self) -> None:
        records = topic(Process().run(95, users=3))
        one, other = position(records, 42), position(records, 45)
        swapped = list(records)
        swapped[one] = records[other]._replace(place=records[one].place)
        swapped[other] = records[one]._replace(place=records[other].place)
        producer = only(swapped)
        assert producer.verdicts == {Verdict.REORDERED}
        finding = found(producer, Verdict.REORDERED)
        assert finding.range == "42"
        assert finding.place == str(records[other].place)
        assert verify(swapped).exit_code == 3

    def test_records_of_two_users_have_no_order(self) -> None:
        records = topic(Process().run(95, users=3))
        one, other = position(records, 42), position(records, 43)
        records[one], records[other] = records[other], records[one]
        assert only(records).verdicts == {Verdict.COMPLETE}

    def test_two_partitions_have_no_common_order(self) -> None:
        records = topic(Process().run(95, users=7), partitions=3)
        records.sort(key=lambda record: (record.place.partition, record.place.offset))
        assert only(records).verdicts == {Verdict.COMPLETE}
        assert only(records[::-1]).verdicts == {Verdict.REORDERED}


class TestTruncate:
    def test_end_cut_off_with_the_final_checkpoint(self) -> None:
        records = topic(Process().run(95))
        producer = only(records[: position(records, 73)])
        assert producer.verdicts == {Verdict.TRUNCATED}
        assert found(producer, Verdict.TRUNCATED).range == "70-72"
        assert producer.proven == 70

    def test_end_cut_off_before_the_final_checkpoint(self) -> None:
        records = topic(Process().run(95))
        producer = only([*records[: position(records, 73)], records[-1]])
        assert producer.verdicts == {Verdict.MISSING}
        assert found(producer, Verdict.MISSING).range == "73-94"

    def test_crash_without_recovery_is_truncated(self) -> None:
        assert only(topic(Process().run(20, end=False))).verdicts == {Verdict.TRUNCATED}

    def test_running_producer_is_not_truncated(self) -> None:
        records = topic(Process().run(95, end=False))
        soon = verify(records, now=START + timedelta(seconds=20), open_seconds=30)
        assert soon.exit_code == 0
        assert soon.producers[0].is_open
        late = verify(records, now=START + timedelta(seconds=120), open_seconds=30)
        assert late.verdict is Verdict.TRUNCATED
        strictly: list[dict[str, Any]] = [{"now": None, "open_seconds": 30}, {"now": START + timedelta(seconds=20)}]
        for strict in strictly:
            assert verify(records, **strict).verdict is Verdict.TRUNCATED

    def test_old_records_of_a_running_producer_missing(self) -> None:
        process = Process()
        records = process.run(50, end=False)
        process.clock += timedelta(minutes=10)
        records = topic([*records, *process.run(20, end=False)])
        del records[position(records, 12)]
        del records[position(records, 61)]
        (producer,) = verify(records, now=process.clock + timedelta(seconds=1), open_seconds=30).producers
        assert producer.is_open
        assert found(producer, Verdict.MISSING).range == "12"


class TestSplice:
    def test_record_moved_to_another_producer(self) -> None:
        one, other = Process(1), Process(2)
        records = topic([*one.run(30), *other.run(30)])
        stolen = position(records, 17)
        victim = next(
            at for at, record in enumerate(records) if at > stolen and b'"sequence":17,' in (record.value or b"")
        )
        records[victim] = altered(
            records[stolen], lambda value: value.replace(one.producer.encode(), other.producer.encode(), 1)
        )._replace(place=records[victim].place)
        report = verify(records)
        assert report.producer(one.producer).verdict is Verdict.COMPLETE
        findings = report.producer(other.producer).of(Verdict.TAMPERED)
        assert [(finding.range, finding.field) for finding in findings] == [("10-19", ""), ("17", "producer")]

    def test_record_replaced_by_another_producers(self) -> None:
        one, other = Process(1), Process(2)
        first, second = one.run(30), other.run(30)
        second[position(second, 17)] = first[position(first, 17)]
        report = verify(topic([*first, *second]))
        assert report.producer(one.producer).duplicates == 1
        assert found(report.producer(other.producer), Verdict.MISSING).range == "17"

    def test_record_moved_to_an_invented_producer(self) -> None:
        process, invented = Process(1), Process(9)
        records = topic(process.run(30))
        at = position(records, 17)
        records[at] = altered(
            records[at], lambda value: value.replace(process.producer.encode(), invented.producer.encode())
        )
        report = verify(records)
        assert found(report.producer(process.producer), Verdict.MISSING).range == "17"
        assert [producer.producer for producer in report.producers] == [process.producer]
        assert report.foreign.counts == {ForeignKind.STREAM: 1}

    def test_checkpoint_moved_to_another_producer(self) -> None:
        one, other = Process(1), Process(2)
        first, second = one.run(30), other.run(20, end=False)
        moved = altered(first[-1], lambda value: value.replace(one.producer.encode(), other.producer.encode(), 1))
        report = verify(topic([*first, *second, moved]))
        assert report.producer(one.producer).verdict is Verdict.COMPLETE
        assert report.producer(other.producer).verdicts == {Verdict.TRUNCATED}
        (example,) = report.foreign.examples
        assert (example.kind, "moved here" in example.reason) == (ForeignKind.CHECKPOINT, True)

    def test_kafka_key_of_a_checkpoint_replaced(self) -> None:
        records = topic(Process().run(20))
        records[-1] = records[-1]._replace(key=b"somebody else")
        report = verify(records)
        assert report.producers[0].verdict is Verdict.COMPLETE
        assert "Kafka key" in report.foreign.examples[0].reason


class TestReplaceValue:
    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("type", lambda value: value.replace(b'"type":"payment"', b'"type":"refund"')),
            ("time", lambda value: value.replace(b"T03:04:05", b"T13:04:05")),
            ("id", lambda value: value.replace(b'"id":"0198', b'"id":"0199')),
            ("tag", lambda value: value[:-4] + b'AA"}'),
            ("iv", lambda value: value.replace(b"..", b"..AA", 1)),
            ("more", lambda value: value[:-1] + b',"more":1}'),
            ("space", lambda value: value + b" "),
        ],
    )
    def test_altered_record_is_tampered(self, name: str, change: object) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], change)  # type: ignore[arg-type]  # a lambda of the table
        producer = only(records)
        assert producer.verdicts == {Verdict.TAMPERED}, name
        assert (found(producer, Verdict.TAMPERED).range, producer.proven) == ("40-49", 85)
        assert not found(producer, Verdict.TAMPERED).exact

    def test_altered_record_between_checkpoints_is_named(self) -> None:
        records = topic(Process().run(20, every=1))
        at = position(records, 12)
        records[at] = altered(records[at], lambda value: value + b" ")
        assert found(only(records), Verdict.TAMPERED).range == "12"
        assert found(only(records), Verdict.TAMPERED).exact

    def test_altered_source_is_named(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], lambda value: value.replace(b"/production/", b"/staging/"))
        exact = [finding for finding in only(records).of(Verdict.TAMPERED) if finding.exact]
        assert [(finding.range, finding.field, finding.place) for finding in exact] == [
            ("42", "source", str(records[at].place))
        ]

    def test_altered_sequence_is_missing_and_tampered(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], lambda value: value.replace(b'"sequence":42,', b'"sequence":43,'))
        producer = only(records)
        assert found(producer, Verdict.MISSING).range == "42"
        assert found(producer, Verdict.TAMPERED).range == "43"

    @pytest.mark.parametrize(
        "sequence", [b"042", b"-1", b"4.2", b"1e1", b'"42"', b"9007199254740992", b"99999999999999999"]
    )
    def test_malformed_sequence_is_missing_and_foreign(self, sequence: bytes) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], lambda value: value.replace(b'"sequence":42,', b'"sequence":%b,' % sequence))
        report = verify(records)
        assert (report.exit_code, report.foreign.total) == (4, 1)
        assert found(report.producers[0], Verdict.MISSING).range == "42"

    @pytest.mark.parametrize("value", [b"", b"{}", b"\xff\xfe", b"[" * 5_000, b'{"sequence":1}', None])
    def test_garbage_in_place_of_a_record(self, value: bytes | None) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = records[at]._replace(value=value)
        report = verify(records)
        (example,) = report.foreign.examples
        assert (example.kind, example.place) == (ForeignKind.JUNK, str(records[at].place))
        assert found(report.producers[0], Verdict.MISSING).range == "42"

    def test_same_event_written_in_another_form(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], lambda value: value.replace(b'{"specversion"', b'{ "specversion"'))
        exact = [finding for finding in only(records).of(Verdict.TAMPERED) if finding.exact]
        assert [(finding.range, finding.field) for finding in exact] == [("42", "form")]

    def test_record_added_after_the_final_checkpoint(self) -> None:
        process = Process()
        records = process.run(20)
        report = verify(topic([*records, process.log()]))
        assert report.producers[0].verdict is Verdict.COMPLETE
        assert (report.exit_code, report.foreign.counts) == (0, {ForeignKind.BEYOND: 1})


class TestReplaceKey:
    @pytest.mark.parametrize("key", [None, b"", b"mallory", b"alice:other-service", b"\xff\xfe"])
    def test_kafka_key_of_no_user_or_service(self, key: bytes | None) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = records[at]._replace(key=key)
        finding = found(only(records), Verdict.TAMPERED)
        assert (finding.range, finding.field, finding.place) == ("42", "key", str(records[at].place))

    def test_hashed_kafka_key_in_a_plain_stream(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = records[at]._replace(key=b"0123456789abcdef" * 4)
        finding = found(only(records), Verdict.TAMPERED)
        assert (finding.range, finding.field) == ("42", "key")

    @pytest.mark.parametrize("hashed", [False, True])
    def test_kafka_keys_of_two_users_swapped(self, *, hashed: bool) -> None:
        records = topic(Process(hashed_keys=hashed).run(95, users=3))
        one, other = position(records, 42), position(records, 43)
        assert records[one].key != records[other].key
        records[one], records[other] = (
            records[one]._replace(key=records[other].key),
            records[other]._replace(key=records[one].key),
        )
        findings = only(records).of(Verdict.TAMPERED)
        assert [(finding.range, finding.field) for finding in findings] == [("42", "key"), ("43", "key")]

    def test_kafka_key_and_its_hash_replaced(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        ours, theirs = key_hash(records[at].key or b""), key_hash(b"mallory:payments")
        records[at] = altered(records[at], lambda value: value.replace(ours, theirs))._replace(key=b"mallory:payments")
        assert found(only(records), Verdict.TAMPERED).range == "40-49"

    @pytest.mark.parametrize(
        "change",
        [
            lambda value: re.sub(rb',"keyhash":"[^"]*"', b"", value),
            lambda value: value.replace(b',"keyhash":"', b',"keyhash": "'),
            lambda value: re.sub(rb'(,"keyhash":"[^"]*)"', rb'\1A"', value),
            lambda value: re.sub(rb'(,"keyhash":"[^"]*"),"id', rb'\1\1,"id', value),
        ],
    )
    def test_key_hash_in_the_value_altered(self, change: Callable[[bytes], bytes]) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], change)
        assert "40-49" in {finding.range for finding in only(records).of(Verdict.TAMPERED)}

    def test_key_uri_replaced(self) -> None:
        records = topic(Process().run(95))
        at = position(records, 42)
        records[at] = altered(records[at], lambda value: value.replace(b"local-key://00", b"local-key://ff"))
        exact = [finding for finding in only(records).of(Verdict.TAMPERED) if finding.exact]
        assert [(finding.range, finding.field) for finding in exact] == [("42", "keyid")]


class TestSwapWrappedKeys:
    def test_wrapped_keys_swapped_within_a_producer(self) -> None:
        process = Process()
        records = process.run(50, end=False)
        process.data_key = DataKey(2)
        records = topic([*records, *process.run(45)])
        swap_attribute(records, position(records, 42), position(records, 72), "wrappedkey")
        producer = only(records)
        assert producer.verdicts == {Verdict.TAMPERED}
        exact = [finding for finding in producer.of(Verdict.TAMPERED) if finding.exact]
        assert [(finding.range, finding.field) for finding in exact] == [("42", "wrappedkey"), ("72", "wrappedkey")]
        assert {finding.range for finding in producer.of(Verdict.TAMPERED)} == {"40-49", "42", "70-79", "72"}

    def test_wrapped_keys_swapped_between_producers(self) -> None:
        one, other = Process(1, data_key=1), Process(2, data_key=2, service="orders")
        records = topic([*one.run(30), *other.run(30)])
        ours = position(records, 17)
        theirs = next(at for at in range(33, len(records)) if b'"sequence":17,' in (records[at].value or b""))
        swap_attribute(records, ours, theirs, "wrappedkey")
        report = verify(records)
        for producer in report.producers:
            exact = [finding for finding in producer.of(Verdict.TAMPERED) if finding.exact]
            assert [(finding.range, finding.field) for finding in exact] == [("17", "wrappedkey")]

    def test_wrapped_key_of_the_first_record_replaced(self) -> None:
        records = topic(Process().run(30))
        records[0] = altered(
            records[0], lambda value: value.replace(text_of(records[0], "wrappedkey"), b'"wrappedkey":"AAAA"')
        )
        exact = [finding for finding in only(records).of(Verdict.TAMPERED) if finding.exact]
        assert [(finding.range, finding.field) for finding in exact] == [("0", "wrappedkey")]


class TestCheckpoints:
    def test_old_checkpoint_in_place_of_the_end(self) -> None:
        records = topic(Process().run(95))
        cut = records[: position(records, 73)]
        assert only([*cut, records[10]]).verdicts == {Verdict.TRUNCATED}

    def test_old_checkpoint_after_newer_ones_is_harmless(self) -> None:
        records = topic(Process().run(95))
        assert only([*records, records[10]]).verdicts == {Verdict.COMPLETE}

    def test_checkpoint_forged_under_a_trusted_name(self) -> None:
        forger = Signer(66)
        report = verify(topic(Process(signer=forger).run(95)), Signer())
        assert (report.verdict, report.exit_code) == (Verdict.UNVERIFIABLE, 4)
        assert "forged" in report.foreign.examples[0].reason

    def test_checkpoint_signed_by_an_untrusted_key(self) -> None:
        stranger = Signer(66, "stranger")
        producer = only(topic(Process(signer=stranger).run(95)), Signer())
        assert producer.verdicts == {Verdict.UNVERIFIABLE}
        assert stranger.public.key_id.hex() in found(producer, Verdict.UNVERIFIABLE).reason

    def test_no_public_key_proves_nothing(self) -> None:
        verifier = Verifier([])
        verifier.observe_all(topic(Process().run(95)))
        report = verifier.report(now=LATER)
        assert report.exit_code == 4
        assert "no public key was given" in found(report.producers[0], Verdict.UNVERIFIABLE).reason

    def test_end_forged_under_an_unknown_name(self) -> None:
        process = Process()
        records = process.run(50, end=False)
        for _ in range(5):
            records.append(process.log())
        records.append(process.checkpoint(final=True, signer=Signer(66, "stranger")))
        report = verify(topic(records))
        assert report.producers[0].verdicts == {Verdict.TRUNCATED}
        assert (report.producers[0].proven, report.foreign.counts) == (50, {ForeignKind.CHECKPOINT: 1})

    def test_untrusted_checkpoint_contradicts_a_trusted_one(self) -> None:
        true, false = Process(1), Process(1, data_key=2)
        records = true.run(20)
        false.run(20, end=False)
        records.append(false.checkpoint(signer=Signer(66, "stranger")))
        report = verify(topic(records))
        assert report.producers[0].verdict is Verdict.COMPLETE
        assert (report.exit_code, report.foreign.counts) == (0, {ForeignKind.CHECKPOINT: 1})

    def test_two_roots_signed_by_the_true_key(self) -> None:
        one, fork = Process(1), Process(1, data_key=2)
        records = one.run(20)
        fork.run(20, end=False)
        producer = only(topic([*records, fork.checkpoint()]))
        assert "two different roots" in found(producer, Verdict.TAMPERED).reason
        assert verify(topic([*records, fork.checkpoint()])).exit_code == 3

    def test_fork_signed_at_another_size(self) -> None:
        one, fork = Process(1), Process(1, data_key=2)
        records = one.run(20, end=False)
        fork.run(25, end=False)
        rest = [one.log() for _ in range(10)]
        producer = only(topic([*records, *rest[:5], fork.checkpoint(), *rest[5:], one.checkpoint(final=True)]))
        assert [finding.range for finding in producer.of(Verdict.TAMPERED)] == ["20-24", "25-29"]

    @pytest.mark.parametrize(
        "change",
        [
            lambda value: value.replace(b"\\n30\\n", b"\\n31\\n"),
            lambda value: value.replace(b"final", b"finel"),
            lambda value: value.replace(b"time 2026", b"time 2027"),
            lambda value: value.replace(b'"time":"2026', b'"time":"2027'),
            lambda value: value.replace(b'"source":"/production', b'"source":"/proluction'),
            lambda value: value[:-40] + b"A" * 8 + value[-32:],
            lambda value: value.replace(b"frontier ", b"frontyer "),
            lambda value: value.replace(b'"specversion":"1.0"', b'"specversion":"1.1"'),
        ],
    )
    def test_final_checkpoint_altered(self, change: object) -> None:
        records = topic(Process().run(30))
        records[-1] = altered(records[-1], change)  # type: ignore[arg-type]  # a lambda of the table
        report = verify(records)
        assert (report.verdict, report.exit_code) == (Verdict.TRUNCATED, 4)
        assert [example.kind for example in report.foreign.examples] in ([ForeignKind.CHECKPOINT], [ForeignKind.JUNK])

    def test_checkpoint_after_the_final_one(self) -> None:
        process = Process()
        records = [*process.run(20), process.log(), process.checkpoint()]
        producer = only(topic(records))
        assert "after the final one" in found(producer, Verdict.TAMPERED).reason

    def test_old_and_rotated_key_are_trusted(self) -> None:
        old, new = Signer(1, "payments-2025"), Signer(2, "payments-2026")
        process = Process(signer=old)
        records = process.run(50, end=False)
        process.signer = new
        records += process.run(45)
        producer = only(topic(records), old, new)
        assert producer.verdicts == {Verdict.COMPLETE}
        assert len(producer.keys) == 2

    def test_signed_frontier_is_malformed(self) -> None:
        process = Process()
        records = process.run(20)
        message = decode_checkpoint_message(records[-1].value or b"")
        assert message is not None
        _, checkpoint = read_unverified(message.data)
        assert checkpoint.frontier is not None
        with pytest.raises(Exception, match="frontier"):
            process.record_of(dataclasses.replace(checkpoint, frontier=tuple(reversed(checkpoint.frontier))))

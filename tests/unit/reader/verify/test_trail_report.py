"""A trail is judged by who may sign what, by what is expected of it, and by what an auditor has acknowledged."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value.render import render, render_head
from telemetry.reader.entry import HeldEvents, Place, RawRecord
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import SourceRule, TrustedKey, TrustPolicy
from telemetry.reader.verify.foreign import ForeignKind
from telemetry.reader.verify.verdicts import Finding, Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, START, TOPIC, Process, Signer, altered, topic, verify

PAYMENTS, MARKETING = Signer(1, "payments"), Signer(2, "marketing")


def key_of(signer: Signer, source: str, **rights: object) -> TrustedKey:
    values: dict[str, object] = {"roles": frozenset({Role.SERVICE}), "sources": (source,), **rights}
    return TrustedKey(public=signer.public, **values)  # type: ignore[arg-type]


def judged(records: list[RawRecord], *keys: TrustedKey, rules: tuple[SourceRule, ...] = ()) -> VerificationReport:
    verifier = Verifier(TrustPolicy(keys, rules=rules))
    verifier.observe_all(records)
    return verifier.report(now=LATER)


BOTH = (key_of(PAYMENTS, "/production/payments"), key_of(MARKETING, "/production/marketing"))


class TestTrust:
    def test_report_says_why_a_key_is_believed(self) -> None:
        report = judged(topic(Process(signer=PAYMENTS).run(20)), *BOTH)
        (believed,) = report.producers[0].believed
        assert PAYMENTS.name in believed
        assert "service key for /production/payments" in believed

    def test_other_services_key_ends_a_stream(self) -> None:
        process = Process(signer=PAYMENTS)
        cut = process.run(20, end=False)
        report = judged(topic([*cut, process.checkpoint(final=True, signer=MARKETING)]), *BOTH)
        (producer,) = report.producers
        assert not producer.is_closed
        assert producer.verdicts == {Verdict.TAMPERED, Verdict.TRUNCATED}
        (finding,) = producer.of(Verdict.TAMPERED)
        assert (finding.field, MARKETING.name in finding.reason) == ("signature", True)

    def test_other_services_key_signs_a_whole_stream(self) -> None:
        records = topic([*Process(1, signer=PAYMENTS).run(20), *Process(2, signer=MARKETING).run(20)])
        report = judged(records, *BOTH)
        assert [producer.producer for producer in report.producers] == [Process(1).producer]
        (finding,) = report.findings
        assert (finding.verdict, report.exit_code) == (Verdict.UNVERIFIABLE, 4)
        assert "may not sign for /production/payments" in finding.reason
        assert report.foreign.counts[ForeignKind.STREAM] == 20

    def test_copies_of_a_refused_checkpoint_count_once(self) -> None:
        end = Process(signer=PAYMENTS).checkpoint(final=True, signer=MARKETING)
        records = topic([*Process(signer=PAYMENTS).run(20, end=False), *[end] * 50])
        assert len(judged(records, *BOTH).producers[0].of(Verdict.TAMPERED)) == 1

    def test_append_time_decides_over_the_stated_one(self) -> None:
        revoked = key_of(PAYMENTS, "/production/*", revoked_from=START + timedelta(days=2))
        records = topic(Process(signer=PAYMENTS).run(20))
        assert judged(records, revoked).total("proven") == 20
        late = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
        appended = [record._replace(append_time=late) for record in records]
        report = judged(appended, revoked)
        assert (report.total("proven"), report.exit_code) == (0, 4)
        assert "revoked" in report.findings[0].reason

    def test_change_of_a_key_is_noted(self) -> None:
        new = Signer(3, "payments-2027")
        records = topic([*Process(1, signer=PAYMENTS).run(5), *Process(2, signer=new).run(5), *Process(3).run(5)])
        report = judged(records, *BOTH, key_of(new, "/production/payments"))
        assert len(report.notes) == 2
        assert new.name in report.notes[0]
        assert report.verdict is Verdict.COMPLETE

    def test_former_key_that_is_not_listed_is_hinted_at(self) -> None:
        former = Signer(3, "payments-2025")
        records = topic(
            [*Process(1, signer=former).run(5), *Process(2, signer=former).run(5), *Process(3, signer=PAYMENTS).run(5)]
        )
        report = judged(records, *BOTH)
        assert (report.exit_code, report.foreign.counts[ForeignKind.STREAM]) == (0, 10)
        (note,) = report.notes
        assert note.startswith("2 streams are foreign, of /production/payments, signed by keys that are not trusted: ")
        assert former.name in note

    def test_stranger_of_another_source_is_no_hint(self) -> None:
        marketing = [
            *Process(1, service="marketing", signer=Signer(4, "x")).run(5),
            *Process(2, signer=PAYMENTS).run(5),
        ]
        assert judged(topic(marketing), *BOTH).notes == ()

    def test_no_signature_that_is_believed_is_unverifiable(self) -> None:
        for records in ([RawRecord(None, b"hello", Place(TOPIC, 0, 0))], topic(Process(signer=Signer(9)).run(5))):
            report = judged(records, *BOTH)
            assert (report.verdict, report.exit_code) == (Verdict.UNVERIFIABLE, 4)


class TestTopic:
    def test_checkpoints_of_another_topic_are_named(self) -> None:
        records = [
            record._replace(place=record.place._replace(source="mirror"))
            for record in topic(Process(leaves=True).run(20))
        ]
        (finding,) = verify(records).producers[0].findings
        assert (finding.verdict, finding.field) == (Verdict.UNVERIFIABLE, "topic")
        assert TOPIC in finding.reason

    def test_mirror_that_the_trust_file_names_is_fine(self) -> None:
        records = [
            record._replace(place=record.place._replace(source="mirror"))
            for record in topic(Process(leaves=True, signer=PAYMENTS).run(20))
        ]
        report = judged(records, key_of(PAYMENTS, "/production/payments", topics=(TOPIC,)))
        assert report.verdict is Verdict.COMPLETE

    def test_fallback_store_has_no_topic(self) -> None:
        stored = [
            record._replace(place=Place("s3://bucket", None, line, "object"))
            for line, record in enumerate(Process(leaves=True).run(20))
        ]
        assert verify(stored).verdict is Verdict.COMPLETE


class TestExpectations:
    @pytest.mark.parametrize(
        ("expected", "code"),
        [
            ({"/production/payments": 1}, 0),
            ({"/production/payments": 2}, 4),
            ({"/production/*": 1, "/production/treasury": 1}, 4),
            ({"/*/payments": 1}, 0),
        ],
    )
    def test_too_few_producers_are_missing(self, expected: dict[str, int], code: int) -> None:
        records = topic([*Process(1).run(5), *Process(2, signer=Signer(9, "stranger")).run(5)])
        assert verify(records, expected=expected).exit_code == code

    def test_trust_file_may_expect_producers(self) -> None:
        rule = SourceRule(name="/production/payments", expect=2)
        report = judged(topic(Process(signer=PAYMENTS).run(5)), *BOTH, rules=(rule,))
        assert [finding.verdict for finding in report.findings] == [Verdict.MISSING]


@pytest.mark.parametrize(("days", "code"), [(-10, 4), (10, 0)])
def test_process_in_the_clear_after_its_source_is_sealed(days: int, code: int) -> None:
    records = []
    process = Process(signer=PAYMENTS)
    head = render_head(process.source, process.producer, key_uri=None, wrapped_key=None)
    for number in range(5):
        tail = b',"id":"x","time":"y","type":"z","data":'
        value = render(head, sequence=number, key=b"alice:payments", tail=tail, data=b'{"n":1}', sealed=False)
        process.tree.append(leaf_hash(value))
        records.append(RawRecord(b"alice:payments", value, Place(TOPIC)))
    rule = SourceRule(name="/production/*", clear_until=START + timedelta(days=days))
    report = judged(topic([*records, process.checkpoint(final=True)]), *BOTH, rules=(rule,))
    assert (report.exit_code, report.total("proven")) == (code, 5)
    assert {finding.field for finding in report.producers[0].findings} == ({"datacontenttype"} if code else set())


class Known:
    """Acknowledges what was found about one sequence of one stream."""

    def __init__(self, stream: str, first: int | None) -> None:
        self._known = stream, first

    def covers(self, finding: Finding, stream: str, source: str) -> bool:
        return (stream, finding.first, source) == (*self._known, "/production/payments" if stream else "")


class TestAcknowledgements:
    def test_acknowledged_finding_does_not_count(self) -> None:
        records = topic(Process().run(30))
        del records[12]
        known = Known(Process().producer, 11)
        report = verify(records, acknowledged=known)
        (producer,) = report.producers
        assert (report.exit_code, producer.verdict) == (0, Verdict.COMPLETE)
        assert [finding.range for finding in producer.acknowledged] == ["11"]
        del records[25]
        assert verify(records, acknowledged=known).exit_code == 4

    def test_finding_of_no_stream_is_acknowledged(self) -> None:
        known = Known("", None)
        report = verify(topic(Process().run(5)), expected={"/staging/payments": 1}, acknowledged=known)
        assert (report.exit_code, len(report.acknowledged)) == (0, 1)


class TestHeldEvents:
    """A sealed object's signed header lists leaf hashes; its content was not opened."""

    def trail(self, *, signer: Signer = PAYMENTS, wrong: int | None = None) -> VerificationReport:
        records = topic(Process(leaves=True, signer=PAYMENTS).run(30))
        gone = [
            record for record in records if any(b'"sequence":%d,' % n in (record.value or b"") for n in range(12, 18))
        ]
        leaves = [leaf_hash(record.value or b"") for record in gone]
        if wrong is not None:
            leaves[wrong] = bytes(32)
        held = HeldEvents(
            producer=Process().producer,
            first=12,
            leaves=b"".join(leaves),
            place=Place(TOPIC, None, 1, "object"),
            signer=signer.public.key_id.hex(),
            signed=b"header",
            signature=signer.sign(b"header"),
        )
        verifier = Verifier(TrustPolicy(BOTH))
        verifier.observe_all([held, *(record for record in records if record not in gone)])
        return verifier.report(now=LATER)

    def test_held_events_are_not_missing_and_not_proven(self) -> None:
        (producer,) = self.trail().producers
        (finding,) = producer.findings
        assert (finding.verdict, finding.range, producer.proven) == (Verdict.UNVERIFIABLE, "12-17", 24)
        assert "content not checked" in finding.reason

    def test_other_leaf_is_missing(self) -> None:
        (producer,) = self.trail(wrong=3).producers
        assert [(finding.verdict, finding.range) for finding in producer.findings] == [
            (Verdict.MISSING, "15"),
            (Verdict.UNVERIFIABLE, "12-14"),
            (Verdict.UNVERIFIABLE, "16-17"),
        ]

    @pytest.mark.parametrize("signer", [MARKETING, Signer(9, "stranger")])
    def test_header_of_another_key_counts_for_nothing(self, signer: Signer) -> None:
        assert self.trail(signer=signer).producers[0].verdict is Verdict.MISSING


class TestExactness:
    """With signed leaves, what was done is named exactly."""

    @pytest.mark.parametrize("partitions", [1, 3])
    def test_altered_record_is_named_with_its_place(self, partitions: int) -> None:
        records = topic(Process(leaves=True).run(95, users=7), partitions=partitions)
        at = next(at for at, record in enumerate(records) if b'"sequence":42,' in (record.value or b""))
        true = leaf_hash(records[at].value or b"")
        records[at] = altered(records[at], lambda value: value[:-10] + b"AAAAAAAA" + value[-2:])
        (producer,) = verify(records).producers
        (finding,) = producer.findings
        assert (finding.verdict, finding.range, finding.place) == (Verdict.TAMPERED, "42", str(records[at].place))
        assert finding.leaf == leaf_hash(records[at].value or b"").hex() != true.hex()
        assert producer.proven == 94

    def test_absent_record_is_named_with_its_leaf(self) -> None:
        records = topic(Process(leaves=True).run(95))
        gone = records.pop(46)
        (finding,) = verify(records).producers[0].findings
        assert (finding.verdict, finding.range) == (Verdict.MISSING, "42")
        assert finding.leaf == leaf_hash(gone.value or b"").hex()
        assert finding.leaf in finding.reason

    def test_checkpoints_alone_name_every_event(self) -> None:
        records = [record for record in topic(Process(leaves=True).run(30)) if record.headers]
        (producer,) = verify(records).producers
        assert [finding.range for finding in producer.of(Verdict.MISSING)] == ["0-9", "10-19", "20-29"]
        assert all(finding.leaf for finding in producer.of(Verdict.MISSING))

    def test_headers_that_a_mirror_dropped(self) -> None:
        records = [record._replace(headers=()) for record in topic(Process(leaves=True).run(95))]
        assert (verify(records).verdict, verify(records).total("proven")) == (Verdict.COMPLETE, 95)

    def test_data_key_outside_its_span(self) -> None:
        process = Process(leaves=True)
        records = process.run(9, end=False)
        process._kids[4:6] = ["A" * 43] * 2
        records += process.run(1)
        findings = verify(topic(records)).producers[0].findings
        assert [(finding.field, finding.range) for finding in findings] == [("kid", "4"), ("kid", "5")]

    def test_records_before_the_range_are_not_missing(self) -> None:
        records = topic(Process(leaves=True).run(95))
        for start in (0, 3, 46, 60):
            (producer,) = verify(records[start:], from_start=False).producers
            assert producer.verdict is Verdict.COMPLETE, producer.findings
        lost = records.pop(75)
        assert b'"sequence":69,' in (lost.value or b"")
        (producer,) = verify(records[46:], from_start=False).producers
        assert [finding.range for finding in producer.of(Verdict.MISSING)] == ["69"]


def test_rivals_of_every_kind_touch_nothing_else() -> None:
    process = Process(leaves=True)
    records = topic(process.run(200, users=1))
    template = records[0]
    forged = []
    for number in range(3_000):
        sequence = (number * 7) % 200 if number % 3 else 10**6 + number * 1_000
        value = (template.value or b"").replace(b'"sequence":0,', b'"sequence":%d,' % sequence) + b" " * (number % 50)
        forged.append(template._replace(value=value, place=Place(TOPIC, 0, number)))
    report = verify([*forged, *records])
    (producer,) = report.producers
    assert (producer.proven, producer.records) == (200, 200 + 1_000)
    assert {finding.verdict for finding in producer.findings} <= {Verdict.TAMPERED, Verdict.DUPLICATE}
    assert replace(report).exit_code == 3

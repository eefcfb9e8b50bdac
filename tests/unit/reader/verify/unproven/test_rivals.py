"""What one service signs or claims under the producer id of another's process disproves nothing of that process."""

from __future__ import annotations

import itertools

import pytest

from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import Finding, ProducerReport, Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, TOPIC, Process, Signer, altered, topic, verify

PAYMENTS, MARKETING = Signer(1, "payments"), Signer(2, "marketing")
SOURCE, OTHER = "/production/payments", "/production/marketing"


def verifier(state: VerifierState | None = None) -> Verifier:
    """Return the verifier of an auditor whose trust file gives each key its own service."""
    service = frozenset({Role.SERVICE})
    keys = (
        TrustedKey(public=PAYMENTS.public, roles=service, sources=(SOURCE,)),
        TrustedKey(public=MARKETING.public, roles=service, sources=(OTHER,)),
    )
    return Verifier(TrustPolicy(keys), state=state)


def processes(*, leaves: bool) -> tuple[Process, Process]:
    """Return the process of payments, and the stream that marketing signs under the id of that process."""
    true = Process(signer=PAYMENTS, leaves=leaves)
    return true, Process(signer=MARKETING, leaves=leaves, service="marketing", data_key=2)


def of(report: VerificationReport, source: str = SOURCE) -> ProducerReport:
    return next(each for each in report.producers if each.source == source)


def kinds(findings: tuple[Finding, ...]) -> list[tuple[Verdict, str, str]]:
    return [(finding.verdict, finding.range, finding.field) for finding in findings]


def strangers(count: int) -> list[RawRecord]:
    return [Process(10_000 + number).log() for number in range(count)]


@pytest.mark.parametrize("leaves", [True, False])
def test_streams_of_two_sources_are_apart_in_any_order(leaves: bool) -> None:
    true, false = processes(leaves=leaves)
    parts = [true.run(5, end=False), [true.log(), true.checkpoint(final=True)], false.run(7)]
    for order in itertools.permutations(parts):
        reader = verifier()
        reader.observe_all(topic(itertools.chain(*order)))
        report = reader.report(now=LATER)
        assert [(each.source, each.verdict, each.proven) for each in report.producers] == [
            (OTHER, Verdict.COMPLETE, 7),
            (SOURCE, Verdict.COMPLETE, 6),
        ]


def test_producer_that_two_services_sign_for_is_a_finding() -> None:
    true, false = processes(leaves=True)
    reader = verifier()
    reader.observe_all(topic([*true.run(3), *false.run(3)]))
    report = reader.report(now=LATER)
    assert kinds(report.findings) == [(Verdict.TAMPERED, "", "source")]
    assert all(text in report.findings[0].reason for text in (true.producer, SOURCE, OTHER))
    assert report.exit_code == 3


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("floods", [0, 400])
def test_records_wait_for_their_own_service_across_runs(leaves: bool, floods: int) -> None:
    true, false = processes(leaves=leaves)
    before = [true.log() for _ in range(3)]
    first = verifier()
    first.observe_all(topic([*before, *false.run(5), *strangers(floods)]))
    report = first.report(now=LATER)
    assert [each.source for each in report.producers] == [OTHER]
    state = VerifierState.from_bytes(first.state(now=LATER).to_bytes())
    assert state.to_bytes().split(b" ")[1] == b"3"
    second = verifier(state)
    rest = [*(true.log() for _ in range(3)), true.checkpoint(final=True)]
    second.observe_all(record._replace(place=Place(TOPIC, 0, 2_000 + at)) for at, record in enumerate(rest))
    report = second.report(now=LATER)
    assert [(each.source, each.verdict, each.proven) for each in report.producers] == [
        (OTHER, Verdict.COMPLETE, 5),
        (SOURCE, Verdict.COMPLETE, 6),
    ]
    third = verifier(VerifierState.from_bytes(second.state(now=LATER).to_bytes()))
    assert [each.proven for each in third.report(now=LATER).producers] == [5, 6]


def test_records_without_a_checkpoint_yet_are_not_blamed_for_good() -> None:
    true, false = processes(leaves=True)
    before, rival = [true.log() for _ in range(3)], false.run(5)
    reader = verifier()
    reader.observe_all(topic([*before, *rival]))
    early = of(reader.report(now=LATER), OTHER)
    assert (early.proven, {finding.field for finding in early.findings}) == (5, {"source"})
    reader.observe_all(topic([true.checkpoint(final=True)]))
    report = reader.report(now=LATER)
    assert [each.verdict for each in report.producers] == [Verdict.COMPLETE] * 2


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("floods", [0, 600])
def test_altered_source_is_named_with_its_place(leaves: bool, floods: int) -> None:
    records = topic([*Process(leaves=leaves).run(20), *strangers(floods)])
    records[4] = altered(records[4], lambda value: value.replace(b"/production/", b"/staging/"))
    report = verify(records)
    (producer,) = report.producers
    (finding,) = producer.of(Verdict.TAMPERED)
    assert (finding.range, finding.field, finding.place) == ("4", "source", str(records[4].place))
    assert [finding.range for finding in producer.of(Verdict.MISSING)] == ["4"]
    assert report.exit_code == 3


def test_copy_with_another_source_leaves_the_record_proven() -> None:
    life = topic(Process(leaves=True).run(20))
    copy = altered(life[4], lambda value: value.replace(b"/production/", b"/staging/"))
    for records in ([copy, *life], [*life, copy]):
        (producer,) = verify(records).producers
        assert producer.proven == 20
        assert kinds(producer.findings) == [(Verdict.TAMPERED, "4", "source")]
        assert "another copy is" in producer.findings[0].reason


def test_claim_after_the_last_signed_record_is_foreign() -> None:
    process = Process(leaves=True)
    life = process.run(20)
    beyond = altered(process.log(), lambda value: value.replace(b"/production/", b"/staging/"))
    report = verify(topic([*life, beyond]))
    assert (report.producers[0].verdict, report.exit_code, report.foreign.total) == (Verdict.COMPLETE, 0, 1)


def test_signed_records_that_name_another_service_are_not_proven() -> None:
    process = Process(signer=MARKETING, leaves=True)
    events = [process.log() for _ in range(2)]
    process.source = OTHER
    reader = verifier()
    reader.observe_all(topic([*events, process.checkpoint(final=True)]))
    producer = of(reader.report(now=LATER), OTHER)
    assert (producer.proven, producer.verdict) == (0, Verdict.TAMPERED)
    assert all("is what was signed" in finding.reason for finding in producer.of(Verdict.TAMPERED))


def test_sources_differ_where_no_key_is_given() -> None:
    records = topic(Process().run(20))
    records[4] = altered(records[4], lambda value: value.replace(b"/production/", b"/staging/"))
    reader = Verifier([])
    reader.observe_all(records)
    report = reader.report(now=LATER)
    assert kinds(of(report).of(Verdict.TAMPERED)) == [(Verdict.TAMPERED, "4", "source")]
    assert report.exit_code == 3


def test_malformed_record_belongs_to_the_stream_of_its_producer() -> None:
    for at in (0, 2, 19):
        life = topic(Process(leaves=True).run(20))
        life[at] = altered(life[at], lambda value: value.replace(b'"specversion":"1.0"', b'"specversion":"1.1"'))
        (producer,) = verify(life).producers
        assert {finding.field for finding in producer.of(Verdict.TAMPERED)} >= {"form"}
        assert not producer.of(Verdict.MISSING)

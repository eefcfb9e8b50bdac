"""The worst verdict decides, and findings are bounded without losing a verdict."""

from __future__ import annotations

from telemetry.reader.verify.foreign import ForeignKind, ForeignTally
from telemetry.reader.verify.verdicts import Finding, FindingList, ProducerReport, Verdict, VerificationReport

PRODUCER = "0198c0de-0000-7000-8000-000000000001"


def test_exit_code_of_each_verdict() -> None:
    codes = {verdict: verdict.exit_code for verdict in Verdict}
    assert codes == {
        Verdict.COMPLETE: 0,
        Verdict.DUPLICATE: 0,
        Verdict.FOREIGN: 0,
        Verdict.UNVERIFIABLE: 4,
        Verdict.TRUNCATED: 4,
        Verdict.MISSING: 4,
        Verdict.REORDERED: 3,
        Verdict.TAMPERED: 3,
    }


def test_worst_verdict_decides() -> None:
    missing, tampered = Finding(Verdict.MISSING, "absent", 3, 5), Finding(Verdict.TAMPERED, "altered", 9, 9)
    report = ProducerReport(producer=PRODUCER, findings=(missing, tampered))
    assert (report.verdict, report.verdicts) == (Verdict.TAMPERED, frozenset({Verdict.MISSING, Verdict.TAMPERED}))
    trail = VerificationReport(producers=(ProducerReport(producer="other"), report))
    assert (trail.verdict, trail.exit_code) == (Verdict.TAMPERED, 3)


def test_duplicates_leave_a_stream_complete() -> None:
    report = ProducerReport(producer=PRODUCER, findings=(Finding(Verdict.DUPLICATE, "1 copy"),))
    assert report.verdict is Verdict.COMPLETE
    assert VerificationReport(producers=(report,)).exit_code == 0


def test_finding_of_no_producer_decides_too() -> None:
    trail = VerificationReport(producers=(), findings=(Finding(Verdict.TAMPERED, "malformed"),))
    assert (trail.verdict, trail.exit_code) == (Verdict.TAMPERED, 3)


def test_verdict_says_its_reason() -> None:
    missing, tampered = Finding(Verdict.MISSING, "absent", 3, 5), Finding(Verdict.TAMPERED, "altered", 9, 9)
    report = ProducerReport(producer=PRODUCER, findings=(missing, tampered), more_findings=4)
    trail = VerificationReport(producers=(report,), findings=(Finding(Verdict.UNVERIFIABLE, "no key"),))

    assert trail.reason == f"producer {PRODUCER} sequence 9: altered; findings beside it: 6"
    assert trail.to_dict()["reason"] == trail.reason
    assert VerificationReport(producers=(), findings=(missing,)).reason == "sequence 3-5: absent"


def test_good_verdict_needs_no_reason() -> None:
    copied = ProducerReport(producer=PRODUCER, findings=(Finding(Verdict.DUPLICATE, "1 copy"),))

    assert VerificationReport(producers=(copied,)).to_dict()["reason"] is None


def test_finding_is_written_in_one_line() -> None:
    finding = Finding(Verdict.TAMPERED, "differs", 3, 5, "audit-events[0]@7", "key")
    assert str(finding) == "tampered sequence 3-5, key at audit-events[0]@7: differs"
    assert str(Finding(Verdict.MISSING, "absent", 3, 3)) == "missing sequence 3: absent"


def test_findings_are_bounded() -> None:
    findings = FindingList(most=3)
    for number in range(10):
        findings.add(Finding(Verdict.MISSING, "absent", number, number))
    findings.add(Finding(Verdict.TAMPERED, "altered", 1, 1))
    assert [finding.verdict for finding in findings.sorted()] == [Verdict.TAMPERED] + [Verdict.MISSING] * 3
    assert findings.more == 7


def test_same_finding_is_kept_once() -> None:
    findings = FindingList()
    for _ in range(3):
        findings.add(Finding(Verdict.TAMPERED, "altered", 1, 1))
    assert (len(findings.sorted()), findings.more) == (1, 0)


def test_copied_list_grows_alone() -> None:
    findings = FindingList()
    findings.add(Finding(Verdict.MISSING, "absent", 1, 1))
    copy = findings.copy()
    copy.add(Finding(Verdict.MISSING, "absent", 2, 2))
    assert (len(findings.sorted()), len(copy.sorted())) == (1, 2)


def test_foreign_records_do_no_harm() -> None:
    tally = ForeignTally()
    for number in range(30):
        tally.add(ForeignKind.JUNK, reason="no record", place=number)
    trail = VerificationReport(producers=(), foreign=tally.summary({ForeignKind.STREAM: 5}))
    assert (trail.verdict, trail.exit_code) == (Verdict.FOREIGN, 0)
    assert (trail.foreign.total, len(trail.foreign.examples)) == (35, 20)
    assert trail.to_dict()["foreign"]["counts"] == {"junk": 30, "stream": 5}

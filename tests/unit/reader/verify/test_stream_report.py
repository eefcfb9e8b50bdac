"""The conclusions about a producer depend on what part of the trail was read, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.merkle import Frontier
from telemetry.reader.entry import Place
from telemetry.reader.verify.key_order import KeyOrder
from telemetry.reader.verify.stream_check import StreamCheck
from telemetry.reader.verify.stream_report import Scope, StreamReporter
from telemetry.reader.verify.tree.digests import DigestBudget, ProvenDigests
from telemetry.reader.verify.tree.leaf_window import LeafBudget, LeafWindow
from telemetry.reader.verify.tree.stream_tree import StreamTree
from telemetry.reader.verify.unproven.stream_name import StreamName
from telemetry.reader.verify.verdicts import ProducerReport, Verdict

PLACE = Place("audit-events", 0, 7)
SIGNED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEAF = bytes(32)


def checkpoint(size: int, *, final: bool = False, recovered: bool = False) -> Checkpoint:
    tree = Frontier()
    tree.extend([LEAF] * size)
    time = SIGNED_AT.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    source, producer = "/production/payments", "0198c0de-0000-7000-8000-000000000001"
    return Checkpoint.of(tree, source=source, producer=producer, time=time, final=final, recovered=recovered)


def check_of(*sequences: int, signed: tuple[Checkpoint, ...] = ()) -> StreamCheck:
    tree = StreamTree(LeafWindow(LeafBudget(1_000)), ProvenDigests(DigestBudget(1_000)))
    check = StreamCheck(StreamName.of("0198c0de-0000-7000-8000-000000000001", ""), 0, tree, KeyOrder())
    for sequence in sequences:
        tree.add(sequence, LEAF, PLACE)
    for each in signed:
        check.add_trusted(each, {"key": "trusted"}, PLACE)
    return check


def report(check: StreamCheck, **changes: Any) -> ProducerReport:
    scope = {"open_seconds": 0.0, "from_start": True, "to_end": True, "has_keys": True, **changes}
    return StreamReporter(check, Scope(**scope), {}).report()


def kinds(report: ProducerReport) -> list[tuple[Verdict, str]]:
    return [(finding.verdict, finding.range) for finding in report.findings]


def test_closed_stream_is_complete() -> None:
    done = report(check_of(*range(5), signed=(checkpoint(5, final=True),)))
    assert (done.verdict, done.proven, done.size, done.is_closed) == (Verdict.COMPLETE, 5, 5, True)


def test_stream_without_end_is_truncated() -> None:
    check = check_of(*range(7), signed=(checkpoint(5),))
    assert kinds(report(check)) == [(Verdict.TRUNCATED, "5-6")]
    assert kinds(report(check, to_end=False)) == []


def test_running_stream_has_no_end_yet() -> None:
    check = check_of(*range(7), signed=(checkpoint(5),))
    running = report(check, now=SIGNED_AT + timedelta(seconds=20), open_seconds=30.0)
    assert (running.is_open, running.verdict) == (True, Verdict.COMPLETE)
    stopped = report(check, now=SIGNED_AT + timedelta(seconds=40), open_seconds=30.0)
    assert (stopped.is_open, stopped.verdict) == (False, Verdict.TRUNCATED)


def test_gap_before_the_range_is_no_finding() -> None:
    check = check_of(3, 4, signed=(checkpoint(5, final=True),))
    assert kinds(report(check, from_start=False)) == []
    assert kinds(report(check)) == [(Verdict.MISSING, "0-2")]


def test_gap_after_the_last_checkpoint_is_no_finding() -> None:
    check = check_of(0, 1, 2, 5, signed=(checkpoint(2),))
    assert kinds(report(check)) == [(Verdict.TRUNCATED, "")]
    assert "2 after them are not proven" in report(check).findings[0].reason


def test_no_checkpoint_is_unverifiable() -> None:
    assert [verdict for verdict, _ in kinds(report(check_of(0, 1)))] == [Verdict.UNVERIFIABLE]


def test_missing_keys_are_named() -> None:
    check = check_of(0)
    check.add_signers("payments+0011")
    for has_keys, beginning in ((False, "no public key was given"), (True, "no trusted key signed")):
        (finding,) = report(check, has_keys=has_keys).findings
        assert finding.reason.startswith(beginning)
        assert "payments+0011" in finding.reason


def test_record_after_the_end_is_no_finding() -> None:
    for end in ({"final": True}, {"recovered": True}):
        check = check_of(*range(6), signed=(checkpoint(5, **end),))
        assert {verdict for verdict, _ in kinds(report(check))} <= {Verdict.COMPLETE}
        assert check.records_beyond_the_end() == 1


def test_required_root_beyond_the_end() -> None:
    check = check_of(*range(3))
    check.require_earlier_root(checkpoint(5))
    kinds_found = kinds(report(check))
    assert (Verdict.TRUNCATED, "3-4") in kinds_found
    assert (Verdict.MISSING, "3-4") in kinds_found


def test_report_may_be_repeated() -> None:
    check = check_of(*range(4), 1, signed=(checkpoint(5),))
    assert report(check) == report(check)

"""A verification continues from states that release 077af88 wrote."""

from __future__ import annotations

from pathlib import Path

from telemetry.reader import FileSource
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import Finding, Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, TOPIC, Process, Signer
from tests.unit.reader.verify.unproven.test_rivals import PAYMENTS, processes, verifier

FOLDER = Path(__file__).parents[3] / "fixtures" / "verifier_state"
DIGEST = "d8076b85bcd15c3b64f347b317324ad8df75e98768bd0e85073e3c199b7fbc86"
DIGEST_2 = "e590ec8bbf41fcd879b983bf4905bda6ab842b6964df4e9cb288838565ffb60f"
DIGEST_3 = "e45ac545b24bb9ad6cfbe3ed760f0ab03c882d16fea72702617d93ec2fa5baf2"
DIGEST_WITHOUT_ROOM = "7bba69574606eda9e5f0651a05b9a4ba6e19078dc8c6ea902a5c2d521baec520"


def load(name: str, digest: str) -> VerifierState:
    """Load a state and check that it is written back byte for byte."""
    state = VerifierState.load(FOLDER / name, expected_digest=digest)
    assert state is not None
    assert state.digest == digest
    assert state.to_bytes() == (FOLDER / name).read_bytes()
    return state


def kinds(findings: tuple[Finding, ...]) -> list[tuple[Verdict, str]]:
    return [(finding.verdict, finding.range) for finding in findings]


def test_old_state_is_continued() -> None:
    """It holds a closed and an open producer, a gap, an altered copy, an unjudged copy and an unreadable record."""
    state = load("verifier.state", DIGEST)
    assert (state.serial, state.positions) == (1, {TOPIC: {0: 904, 1: 41, 2: 42}})
    verifier = Verifier([Signer().public], state=state)
    verifier.observe_all(FileSource(FOLDER / "records-after.jsonl"))
    report = verifier.report(now=LATER)
    assert (report.exit_code, report.continued_from) == (3, DIGEST)
    assert [(finding.verdict, finding.place) for finding in report.findings] == [(Verdict.TAMPERED, f"{TOPIC}[0]@902")]
    first, second = report.producer(Process(1).producer), report.producer(Process(2).producer)
    assert (first.records, first.proven, first.duplicates, first.checkpoints) == (94, 85, 1, 10)
    assert first.is_closed
    assert kinds(first.findings) == [
        (Verdict.TAMPERED, "12"),
        (Verdict.TAMPERED, "66"),
        (Verdict.MISSING, "46"),
        (Verdict.DUPLICATE, ""),
    ]
    assert (second.verdict, second.records, second.proven) == (Verdict.COMPLETE, 33, 33)


def test_old_state_without_room_is_continued() -> None:
    """Its verifier could hold 40 leaf hashes, and read 379 records out of sequence."""
    state = load("verifier-without-room.state", DIGEST_WITHOUT_ROOM)
    verifier = Verifier([Signer().public], state=state, max_held_events=40)
    (producer,) = verifier.report(now=LATER).producers
    assert (producer.records, producer.proven, producer.checkpoints) == (375, 0, 4)
    assert kinds(producer.of(Verdict.MISSING)) == [(Verdict.MISSING, "0"), (Verdict.MISSING, "119-297")]
    assert kinds(producer.of(Verdict.TRUNCATED)) == [(Verdict.TRUNCATED, "500-554")]
    assert [finding.range for finding in producer.of(Verdict.REORDERED)] == [str(number) for number in range(1, 119)]
    assert producer.of(Verdict.UNVERIFIABLE)


def test_old_state_is_written_again_unchanged() -> None:
    """A verification that reads nothing more writes the same state, but for its serial, time and predecessor."""
    for name, digest in (("verifier.state", DIGEST), ("verifier-without-room.state", DIGEST_WITHOUT_ROOM)):
        state = load(name, digest)
        after = Verifier([Signer().public], state=load(name, digest)).state()
        assert (after.serial, after.previous) == (state.serial + 1, digest)
        assert (after.positions, after.streams, after.findings) == (state.positions, state.streams, state.findings)


def test_state_of_version_2_is_continued() -> None:
    """It holds a gap and an altered record between signed leaves, a suspicion, and records of a young producer."""
    state = load("verifier-2.state", DIGEST_2)
    assert (state.serial, len(state.streams), len(state.unsigned_records)) == (1, 2, 4)
    verifier = Verifier([Signer().public], state=state)
    young, two = Process(3, leaves=True), Process(2, leaves=True)
    for _ in range(4):
        young.log()
    rest = [*(young.log() for _ in range(6)), young.checkpoint(final=True)]
    two.run(25, end=False)
    for _ in range(3):
        two.log()
    rest.append(two.checkpoint(final=True))
    verifier.observe_all(rest)
    report = verifier.report(now=LATER)
    first, second, third = (report.producer(Process(number).producer) for number in (1, 2, 3))
    assert kinds(first.findings) == [(Verdict.MISSING, "12")]
    assert kinds(second.findings) == [(Verdict.TAMPERED, "14"), (Verdict.TAMPERED, "26")]
    assert (first.proven, second.proven, third.proven) == (24, 27, 10)
    assert (third.verdict, first.keys) == (Verdict.COMPLETE, third.keys)


def test_state_of_version_3_is_continued() -> None:
    """It holds two streams under one producer id, and records of a young producer."""
    state = load("verifier-3.state", DIGEST_3)
    assert (state.serial, len(state.streams), len(state.unsigned_records)) == (1, 2, 4)
    reader = verifier(state)
    true, _ = processes(leaves=True)
    for _ in range(4):
        true.log()
    true.checkpoint()
    for _ in range(3):
        true.log()
    young = Process(3, signer=PAYMENTS, leaves=True)
    for _ in range(4):
        young.log()
    reader.observe_all([true.checkpoint(final=True), young.checkpoint(final=True)])
    report = reader.report(now=LATER)
    assert [(each.verdict, each.proven) for each in report.producers] == [
        (Verdict.COMPLETE, 5),
        (Verdict.COMPLETE, 7),
        (Verdict.COMPLETE, 4),
    ]

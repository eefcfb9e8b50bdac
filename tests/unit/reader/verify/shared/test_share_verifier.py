"""Shares of the producers, verified apart and joined, give the report of one verifier."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Sequence

from telemetry.reader.entry import RawRecord
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.shared.share_verifier import MAX_STRAYS, ShareVerifier
from telemetry.reader.verify.trail_report import VerifiedPart
from telemetry.reader.verify.verdicts import Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, Process, Signer, altered, topic

PRODUCERS = [Process(number).producer for number in range(1, 5)]


def trail() -> list[RawRecord]:
    """Return the trail of four processes, of which one lacks a record, one has an altered one, and one has no end."""
    lives = [Process(number).run(95, end=number != 3) for number in range(1, 5)]
    del lives[0][42]
    lives[1][50] = altered(lives[1][50], lambda value: value.replace(b'"type":"payment"', b'"type":"refund!"'))
    return topic([record for together in zip(*lives, strict=False) for record in together], partitions=3)


def part_of(records: Iterable[RawRecord], producers: Sequence[str] | None) -> tuple[VerifiedPart, ShareVerifier]:
    verifier = ShareVerifier(TrustPolicy.of_keys([Signer().public]), producers=producers)
    verifier.observe_all(records)
    return pickle.loads(pickle.dumps(verifier.part())), verifier  # noqa: S301 - its own bytes


def joined(parts: Iterable[VerifiedPart]) -> VerificationReport:
    whole = Verifier([Signer().public])
    for part in parts:
        whole.join(part)
    return whole.report(now=LATER)


def test_joined_shares_give_the_same_report() -> None:
    records = trail()
    one = Verifier([Signer().public])
    one.observe_all(records)
    owner = {producer: number % 2 for number, producer in enumerate(PRODUCERS)}
    shares = [[record for record in records if owner[producer_in(record)] == number] for number in range(2)]

    report = joined(
        part_of(share, [name for name in PRODUCERS if owner[name] == n])[0] for n, share in enumerate(shares)
    )

    assert report == one.report(now=LATER)
    assert report.verdict is Verdict.TAMPERED


def test_data_key_of_another_share_is_recognised() -> None:
    ours, theirs = Process(1), Process(2, data_key=1)
    records = topic([*ours.run(95), *theirs.run(5, end=False)])
    one = Verifier([Signer().public])
    one.observe_all(records)

    parts = [
        part_of([each for each in records if producer_in(each) == process.producer], [process.producer])[0]
        for process in (ours, theirs)
    ]

    assert joined(parts) == one.report(now=LATER)


def test_record_of_another_share_is_a_stray() -> None:
    records = topic([*Process(1).run(20), *Process(2).run(20)])

    part, verifier = part_of(records, [PRODUCERS[0]])

    assert {producer_in(stray) for stray in verifier.strays} == {PRODUCERS[1]}
    assert len(verifier.strays) + part.records == len(records)
    assert not verifier.has_too_many_strays


def test_strays_are_bounded() -> None:
    (record,) = topic([Process(2).log()])

    _, verifier = part_of([record] * (MAX_STRAYS + 1), [PRODUCERS[0]])

    assert len(verifier.strays) == MAX_STRAYS
    assert verifier.has_too_many_strays


def producer_in(record: RawRecord) -> str:
    return next(name for name in PRODUCERS if f'"producer":"{name}"'.encode() in (record.value or b""))

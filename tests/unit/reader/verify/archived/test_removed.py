"""Events that were removed on purpose are told from missing ones."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from telemetry.format.proof.merkle import leaf_hash
from telemetry.reader.entry import EndedRun, Place, RawRecord, RedactedEvent
from telemetry.reader.verify.verdicts import ProducerReport, Verdict
from telemetry.reader.verify.verifier import VerifiedRecord, Verifier
from tests.support.written_trail import LATER, Process, Signer, topic

PROCESS = Process()


def only(records: Iterable[VerifiedRecord]) -> ProducerReport:
    verifier = Verifier([Signer().public])
    verifier.observe_all(records)
    (producer,) = verifier.report(now=LATER).producers
    return producer


def written(*, leaves: bool) -> list[RawRecord]:
    return topic(Process(leaves=leaves).run(95))


def redacted(record: RawRecord, sequence: int, *, leaf: bytes | None = None) -> RedactedEvent:
    return RedactedEvent(
        source=PROCESS.source,
        producer=PROCESS.producer,
        sequence=sequence,
        leaf=leaf or leaf_hash(record.value or b""),
        place=record.place,
        reason="GDPR article 17",
        request="R-1",
    )


def ended(first: int, end: int, leaves: bytes | None = None, *, source: str = PROCESS.source) -> EndedRun:
    return EndedRun(
        source=source,
        producer=PROCESS.producer,
        first=first,
        end=end,
        leaves=leaves,
        place=Place("archive", None, 0, "file"),
        policy="7 years",
    )


def sequence_of(record: RawRecord) -> int:
    _, _, rest = (record.value or b"").partition(b'"sequence":')
    return int(rest.partition(b",")[0]) if rest else -1


def leaves_of(records: Iterable[RawRecord], first: int, end: int) -> bytes:
    return b"".join(leaf_hash(each.value or b"") for each in records if first <= sequence_of(each) < end)


@pytest.mark.parametrize("leaves", [True, False])
class TestRedacted:
    def test_kept_leaf_proves_the_stream(self, leaves: bool) -> None:
        records = [redacted(each, 42) if sequence_of(each) == 42 else each for each in written(leaves=leaves)]
        producer = only(records)
        assert (producer.verdict, producer.records, producer.proven) == (Verdict.COMPLETE, 95, 95)
        assert producer.redacted == 1
        assert [finding.reason for finding in producer.findings] == ["redacted: 1 events; their leaf hashes are proven"]

    def test_altered_leaf_is_not_proven(self, leaves: bool) -> None:
        records = [
            redacted(each, 42, leaf=bytes(32)) if sequence_of(each) == 42 else each for each in written(leaves=leaves)
        ]
        producer = only(records)
        assert producer.verdict is Verdict.TAMPERED
        assert any(finding.first in (40, 42) for finding in producer.of(Verdict.TAMPERED))


@pytest.mark.parametrize("leaves", [True, False])
class TestEnded:
    def test_leaves_prove_the_stream(self, leaves: bool) -> None:
        records = written(leaves=leaves)
        run = ended(10, 47, leaves_of(records, 10, 47))
        producer = only([run, *(each for each in records if not 10 <= sequence_of(each) < 47)])
        assert (producer.verdict, producer.proven, producer.ended) == (Verdict.COMPLETE, 95, 37)
        assert [finding.range for finding in producer.of(Verdict.COMPLETE)] == ["10-46"]

    @pytest.mark.parametrize("is_first", [True, False])
    def test_whole_intervals_need_no_leaves(self, leaves: bool, is_first: bool) -> None:
        rest = [each for each in written(leaves=leaves) if not 20 <= sequence_of(each) < 50]
        producer = only([ended(20, 50), *rest] if is_first else [*rest, ended(20, 50)])
        assert (producer.verdict, producer.proven, producer.ended) == (Verdict.COMPLETE, 65, 30)

    def test_part_of_an_interval_is_missing(self, leaves: bool) -> None:
        rest = [each for each in written(leaves=leaves) if not 20 <= sequence_of(each) < 45]
        producer = only([ended(20, 45), *rest])
        assert producer.verdict is Verdict.MISSING
        assert producer.ended == 0

    def test_more_than_what_ended_is_missing(self, leaves: bool) -> None:
        rest = [each for each in written(leaves=leaves) if not 20 <= sequence_of(each) < 53]
        producer = only([ended(20, 50), *rest])
        assert producer.verdict is Verdict.MISSING
        assert [finding.range for finding in producer.of(Verdict.MISSING)] == ["50-52"]

    def test_end_of_another_stream_excuses_nothing(self, leaves: bool) -> None:
        rest = [each for each in written(leaves=leaves) if not 20 <= sequence_of(each) < 50]
        producer = only([ended(20, 50, source="/production/other"), *rest])
        assert producer.verdict is Verdict.MISSING

    def test_everything_has_ended(self, leaves: bool) -> None:
        rest = [each for each in written(leaves=leaves) if sequence_of(each) < 0]
        producer = only([ended(0, 95), *rest])
        assert (producer.verdict, producer.ended, producer.is_closed) == (Verdict.COMPLETE, 95, True)


@pytest.mark.parametrize(
    "run", [ended(-1, 10), ended(10, 10), ended(0, 10, bytes(31)), ended(1 << 62, 1 << 63, bytes(32))]
)
def test_run_that_contradicts_itself_is_foreign(run: EndedRun) -> None:
    verifier = Verifier([Signer().public])
    verifier.observe_all([*written(leaves=True), run])
    report = verifier.report(now=LATER)
    assert report.producers[0].verdict is Verdict.COMPLETE
    assert report.foreign.total == 1

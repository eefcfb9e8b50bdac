"""W, without any key, uses up the memory, the state, the time and the output of those who verify and read."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from telemetry.format.value.message import MAX_SEQUENCE
from telemetry.reader import Place, RawRecord
from telemetry.reader.open.trail_reader import TrailReader
from telemetry.reader.verify.verdicts import Verdict
from telemetry.reader.verify.verifier import Verifier
from telemetry.testing import EmbeddedKafka
from tests.cli.test_verify import SignedTrail
from tests.support.written_trail import TOPIC, Process, Signer, topic, verify

_MIB = 1 << 20
_STRANGERS = 10_000


def records_of_strangers(count: int, *, sequences: Sequence[int] = (0,)) -> Iterator[RawRecord]:
    """Yield records of invented producers: each costs the attacker some bytes, and no key."""
    invented = Process(1)
    template = invented.log()
    assert template.value is not None
    offset = 0
    for number in range(count):
        producer = f"0198c0de-ffff-7000-8000-{number:012x}"
        for sequence in sequences:
            value = template.value.replace(invented.producer.encode(), producer.encode())
            value = value.replace(b'"sequence":0,', b'"sequence":%d,' % sequence)
            yield RawRecord(template.key, value, Place(TOPIC, 0, offset))
            offset += 1


@pytest.fixture(scope="module")
def crowded() -> Verifier:
    """A verifier that has read an honest stream after the records of many strangers."""
    verifier = Verifier([Signer().public])
    verifier.observe_all(records_of_strangers(_STRANGERS))
    verifier.observe_all(topic(Process(2).run(20)))
    return verifier


def test_invented_producers_cost_bounded_memory() -> None:
    verifier = Verifier([Signer().public])
    tracemalloc.start()
    try:
        verifier.observe_all(records_of_strangers(_STRANGERS))
        verifier.report()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * _MIB


def test_invented_producers_leave_report_short(crowded: Verifier) -> None:
    report = crowded.report()

    assert len(report.producers) + len(report.findings) < 200
    assert [stream.proven for stream in report.producers if stream.proven] == [20]


def test_invented_producers_leave_state_small(crowded: Verifier) -> None:
    assert len(crowded.state().to_bytes()) < _MIB


def test_forged_gaps_leave_room_for_honest_streams() -> None:
    room = 1_000
    honest = topic(Process(2).run(200, users=20), partitions=2)
    # The partitions are read one after the other, so the leaves of the first wait for those of the second.
    honest.sort(key=lambda record: record.place.partition or 0)
    # Without their record 0 none of these can be folded.
    forged = records_of_strangers(room, sequences=(1, 3))

    report = verify([*forged, *honest], max_held_events=room)

    proven = {stream.producer: (stream.verdict, stream.proven) for stream in report.producers if stream.proven}
    assert proven == {Process(2).producer: (Verdict.COMPLETE, 200)}


def test_last_possible_sequence_reorders_nothing() -> None:
    process = Process(1)
    honest = process.run(30, users=1)
    forged = honest[0]._replace(
        value=(honest[0].value or b"").replace(b'"sequence":0,', b'"sequence":%d,' % MAX_SEQUENCE)
    )

    report = verify(topic([forged, *honest]))

    stream = next(stream for stream in report.producers if stream.producer == process.producer)
    assert stream.proven == 30
    assert [finding for finding in stream.findings if finding.verdict is Verdict.REORDERED] == []


def test_falling_sequences_cost_no_more_than_rising_ones() -> None:
    # Gaps, so that no two of the numbers become one interval.
    rising = list(records_of_strangers(1, sequences=range(0, 120_000, 2)))

    def cpu_seconds(records: list[RawRecord]) -> float:
        began = time.thread_time()
        for _ in TrailReader(records, provider=None):
            pass
        return time.thread_time() - began

    # CPU time of the same work in another order, one beside the other: a busy machine slows both.
    assert cpu_seconds(rising[::-1]) < 2 * cpu_seconds(rising)


def test_invented_producers_cost_readers_bounded_memory() -> None:
    forged = records_of_strangers(40_000)
    tracemalloc.start()
    try:
        for _ in TrailReader(forged, provider=None):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # A copy can be recognised by some bytes for each record, which need not be in memory.
    assert peak < 8 * _MIB


def test_invented_producers_leave_output_short(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        trail = SignedTrail(kafka, tmp_path, events=20)
        trail.rewrite([*trail.records(), *records_of_strangers(1_000)])

        _, out, err = trail.run("--report", str(tmp_path / "report.html"), json=False)

    assert len(out.splitlines()) + len(err.splitlines()) < 200
    assert (tmp_path / "report.html").stat().st_size < 100_000

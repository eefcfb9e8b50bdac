"""B moves records of one user to another partition: nothing is altered, and their order is another one there."""

from __future__ import annotations

import pytest

from telemetry.reader import Place, RawRecord
from telemetry.reader.verify.verdicts import Verdict
from tests.support.written_trail import TOPIC, Process, verify


def on(partition: int, records: list[RawRecord]) -> list[RawRecord]:
    return [record._replace(place=Place(TOPIC, partition, offset)) for offset, record in enumerate(records)]


@pytest.mark.xfail(strict=True, reason="order is compared within a partition alone")
@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "records alone"])
@pytest.mark.parametrize("first", [0, 1], ids=["left behind first", "moved first"])
def test_records_that_alternate_between_partitions_are_named(leaves: bool, first: int) -> None:
    process = Process(1, leaves=leaves)
    *events, end = [*process.run(6, users=1, every=6)]
    records = [*on(0, [events[0], events[2], *events[3:], end]), *on(1, [events[1]])]

    report = verify(sorted(records, key=lambda record: record.place.partition != first))

    (finding,) = report.producer(process.producer).of(Verdict.REORDERED)
    assert "partition" in finding.reason
    assert report.exit_code == 3


@pytest.mark.parametrize("first", [0, 1], ids=["old first", "new first"])
def test_partitions_that_were_added_are_no_alarm(first: int) -> None:
    """Nobody attacks: a key moves once, when partitions are added."""
    process = Process(1, leaves=True)
    *events, end = [*process.run(6, users=1, every=6)]
    records = [*on(0, [*events[:3], end]), *on(1, events[3:])]

    report = verify(sorted(records, key=lambda record: record.place.partition != first))

    assert report.exit_code == 0

"""Proven events that are dated far outside the life of their producer are found."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from telemetry.reader.verify.verdicts import Verdict
from tests.support.written_trail import START, Process, altered, topic, verify


def found(process: Process, *, forged: int = 0) -> list[tuple[str, str]]:
    process.clock = START
    records = process.run(95, every=5, end=False)
    process.clock = START + timedelta(days=400 * 5)
    late = process.log()
    process.clock = START + timedelta(seconds=10)
    records += [late, *(process.log() for _ in range(3)), process.checkpoint(final=True)]
    # Anyone may write records of any date under the producer's name.
    records += [
        altered(records[0], lambda value, n=n: value.replace(b"2026-01-02T", b"19%02d-01-01T" % n))  # type: ignore[misc]
        for n in range(forged)
    ]
    (producer,) = verify(topic(records)).producers
    return [(finding.field, finding.range) for finding in producer.of(Verdict.UNVERIFIABLE)]


@pytest.mark.parametrize("leaves", [True, False])
def test_event_of_another_year_is_named(leaves: bool) -> None:
    assert found(Process(leaves=leaves)) == [("time", "95")]


def test_forged_dates_are_no_finding() -> None:
    assert found(Process(leaves=True), forged=30) == [("time", "95")]


def test_events_of_a_long_life_are_fine() -> None:
    process = Process(leaves=True)
    records = []
    for _ in range(40):
        records += [*process.run(5, end=False), process.checkpoint()]
        process.clock += timedelta(days=20)
    report = verify(topic([*records, process.checkpoint(final=True)]), now=process.clock)
    assert report.verdict is Verdict.COMPLETE, report.producers[0].findings


def test_checkpoints_that_run_back() -> None:
    process = Process(leaves=True)
    records = process.run(10, end=False)
    process.clock -= timedelta(hours=2)
    records += process.run(10)
    (producer,) = verify(topic(records)).producers
    assert [finding.field for finding in producer.findings] == ["time"]
    assert producer.proven == 20


def test_checkpoint_ahead_of_the_clock() -> None:
    process = Process()
    records = topic(process.run(10, end=False))
    soon = verify(records, now=START - timedelta(minutes=4), open_seconds=30)
    assert (soon.exit_code, soon.producers[0].is_open) == (0, True)
    far = verify(records, now=START - timedelta(minutes=6), open_seconds=30)
    assert not far.producers[0].is_open
    assert {finding.field for finding in far.producers[0].of(Verdict.UNVERIFIABLE)} == {"time"}


def test_heartbeats_keep_a_producer_alive() -> None:
    process = Process(leaves=True)
    records = process.run(10, end=False)
    for _ in range(3):
        process.clock += timedelta(minutes=5)
        records.append(process.checkpoint())
    report = verify(topic(records), now=process.clock + timedelta(minutes=1), open_seconds=600)
    (producer,) = report.producers
    assert (report.exit_code, producer.is_open, producer.checkpoints) == (0, True, 1)
    assert (
        dataclasses.replace(producer).signed_at
        == (START + timedelta(minutes=15, milliseconds=50)).strftime("%Y-%m-%dT%H:%M:%S") + producer.signed_at[19:]
    )


@pytest.mark.parametrize("relays", [True, False])
def test_relayed_event_may_be_older_than_its_relay(relays: bool) -> None:
    """The producer ids of these processes say that they began in August 2025."""
    process = Process(leaves=True, relays=relays)
    process.clock = START - timedelta(days=400)
    old = process.log()
    process.clock = START
    (producer,) = verify(topic([old, *process.run(5)])).producers
    assert [finding.field for finding in producer.of(Verdict.UNVERIFIABLE)] == ([] if relays else ["time"])


def test_relayed_event_of_the_future_is_named() -> None:
    assert found(Process(leaves=True, relays=True)) == [("time", "95")]

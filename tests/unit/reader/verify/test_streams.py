"""Producers that nobody signed for cost bounded memory, and come back whole when somebody does."""

from __future__ import annotations

import pytest

from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.verify import streams as module
from telemetry.reader.verify.streams import MAX_YOUNG
from telemetry.reader.verify.unproven.waiting import WaitingRecords
from telemetry.reader.verify.verdicts import Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, TOPIC, DataKey, Process, Signer, topic, verify


def strangers(count: int, *, first: int = 10_000) -> list[RawRecord]:
    return topic(Process(first + number).log() for number in range(count))


def test_only_the_newest_strangers_are_streams() -> None:
    verifier = Verifier([Signer().public])
    verifier.observe_all([*topic(Process().run(20)), *strangers(3 * MAX_YOUNG)])
    kept = verifier._streams
    assert (len(kept.trusted), len(kept.young), kept.evicted) == (1, MAX_YOUNG, 2 * MAX_YOUNG)
    assert (kept.waiting.count, len(kept.heads)) == (2 * MAX_YOUNG, MAX_YOUNG + 1)
    report = verifier.report(now=LATER)
    assert (report.verdict, report.exit_code, report.foreign.total) == (Verdict.FOREIGN, 0, 3 * MAX_YOUNG)
    assert report.foreign.sources == (("/production/payments", MAX_YOUNG),)


@pytest.mark.parametrize("leaves", [True, False])
@pytest.mark.parametrize("memory", [1 << 20, 1_000])
def test_evicted_producer_comes_back_when_it_is_signed_for(
    leaves: bool, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WaitingRecords", lambda: WaitingRecords(memory=memory))
    process = Process(leaves=leaves)
    life = topic([*(process.log(f"user-{number}") for number in range(30)), *process.run(30)])
    verifier = Verifier([Signer().public])
    verifier.observe_all([*life[:25], *strangers(2 * MAX_YOUNG), *life[25:], *life[:5]])
    assert verifier._streams.evicted > 0
    for _ in range(2):
        (producer,) = verifier.report(now=LATER).producers
        assert (producer.verdict, producer.records, producer.proven) == (Verdict.COMPLETE, 60, 60)
        assert producer.duplicates == 5
    verifier._streams.waiting.close()


def test_long_unsigned_stream_waits_outside_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_YOUNG_EVENTS", 2_000)
    process = Process(leaves=True)
    # The partition with the checkpoints is read last.
    records = process.run(6_000, every=500)
    events = [record for record in records if record.key != process.producer.encode()]
    checkpoints = [record for record in records if record.key == process.producer.encode()]
    verifier = Verifier([Signer().public])
    verifier.observe_all(topic(events))
    assert verifier._streams.waiting.count > 3_000
    verifier.observe_all(record._replace(place=Place(TOPIC, 1, at)) for at, record in enumerate(checkpoints))
    (producer,) = verifier.report(now=LATER).producers
    assert (producer.verdict, producer.records, producer.proven) == (Verdict.COMPLETE, 6_000, 6_000)


def test_flood_under_an_honest_name_leaves_every_record_provable() -> None:
    for leaves in (True, False):
        honest = topic(Process(2, leaves=leaves).run(200, users=20), partitions=2)
        honest.sort(key=lambda record: record.place.partition or 0)
        value = honest[0].value or b""
        head, _, rest = value.partition(b'"sequence":')
        tail = rest[rest.index(b",") :]
        forged = [
            RawRecord(
                honest[0].key, b'%b"sequence":%d%b' % (head, 10**7 + number * 1_000, tail), Place(TOPIC, 0, number)
            )
            for number in range(2_000)
        ]
        report = verify([*forged, *honest], max_held_events=1_000)
        (producer,) = report.producers
        assert (producer.verdict, producer.proven) == (Verdict.COMPLETE, 200)


def test_last_young_streams_are_saved_and_continued() -> None:
    process = Process(leaves=True)
    life = topic(process.run(50))
    first = Verifier([Signer().public])
    first.observe_all([*strangers(300), *life[:7]])
    state = first.state(now=LATER)
    assert (state.streams, len(state.unsigned_records), state.forgot_records) == ([], 307, False)
    second = Verifier([Signer().public], state=state)
    second.observe_all(life[7:])
    report = second.report(now=LATER)
    assert [(producer.verdict, producer.proven) for producer in report.producers] == [(Verdict.COMPLETE, 50)]


@pytest.mark.parametrize("bound", ["_MAX_GROUPS", "_MAX_HEADS"])
def test_oldest_data_keys_are_forgotten_and_nothing_else(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, bound, 8)
    process = Process(leaves=True)
    records = process.run(2, every=1, end=False)
    for number in range(2, 40):
        process.data_key = DataKey(number)
        records += process.run(2, every=1, end=False)
    verifier = Verifier([Signer().public])

    verifier.observe_all(topic([*records, process.checkpoint(final=True)]))

    (stream,) = verifier._streams.trusted.values()
    assert len(verifier._streams.heads) == len(stream.groups) <= 8
    assert {known.group for known in verifier._streams.heads.values()} == set(stream.groups)
    (producer,) = verifier.report(now=LATER).producers
    assert (producer.verdict, producer.proven) == (Verdict.COMPLETE, 78)

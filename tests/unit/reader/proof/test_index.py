"""What checkpoints prove while a trail is read: with their leaves, without them, out of order, and against rivals."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.proof.merkle import leaf_hash
from telemetry.reader import Proven, RawRecord
from telemetry.reader.entry import EndedRun, RedactedEvent
from telemetry.reader.proof import index as index_module
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from tests.attacks.forge import rival
from tests.support.written_trail import START, TOPIC, Process, Signer, altered, topic

YES, NO, UNKNOWN = Proven.YES, Proven.NO, None


class Listener:
    """Remembers the data keys that were listed."""

    def __init__(self) -> None:
        self.kids: list[str] = []

    def list_keys(self, kids: Iterable[str]) -> None:
        self.kids += kids


def _index(*keys: Signer) -> ProofIndex:
    return ProofIndex(TrustPolicy.of_keys(key.public for key in keys or (Signer(),)), Listener())


def _judged(index: ProofIndex, records: Iterable[RawRecord]) -> list[Proven | None]:
    places = [index.place_of(record) for record in records]
    return [index.judge(place) for place in places if place is not None]


def _read(index: ProofIndex, records: Iterable[RawRecord]) -> None:
    for record in records:
        index.observe(record)


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
@pytest.mark.parametrize("order", ["as logged", "events first", "checkpoints first", "any"])
def test_every_event_of_a_signed_stream_is_proven(order: str, *, leaves: bool) -> None:
    records = topic(Process(1, leaves=leaves).run(50))
    if order == "any":
        random.Random(3).shuffle(records)  # noqa: S311 - the same order in each run
    elif order != "as logged":
        records.sort(key=lambda record: (record.key == Process(1).producer.encode()) == (order == "events first"))
    index = _index()
    _read(index, records)

    assert _judged(index, records) == [YES] * 50


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
def test_rivals_and_altered_records_are_not_proven(*, leaves: bool) -> None:
    process = Process(1, leaves=leaves)
    records = topic(process.run(20))
    events = [record for record in records if record.key != process.producer.encode()]
    forged = [rival(event, number) for number, event in enumerate(events[:3])]
    index = _index()
    _read(index, [*forged, *records])

    assert _judged(index, events) == [YES] * 20
    assert _judged(index, forged) == [NO] * 3


def test_thousand_rivals_change_nothing_where_leaves_are_signed() -> None:
    process = Process(1, leaves=True)
    records = topic(process.run(20))
    forged = [rival(records[0], number) for number in range(1_000)]
    index = _index()
    _read(index, [*forged, *records])

    assert _judged(index, [*records, forged[7]]) == [*[YES] * 20, NO]


def test_leaves_that_were_altered_prove_nothing() -> None:
    process = Process(1, leaves=True)
    events = [process.log() for _ in range(3)]
    checkpoint = process.checkpoint()
    name, content = checkpoint.headers[0]
    index = _index()
    _read(index, [checkpoint._replace(headers=((name, content[:-1] + b"\0"),))])

    assert name == LEAVES_HEADER
    assert _judged(index, events) == [UNKNOWN] * 3
    assert index.lacking == 3

    _read(index, events)  # the records themselves lead to the root
    assert _judged(index, events) == [YES] * 3


def test_record_after_the_signed_end_is_not_proven() -> None:
    process = Process(1, leaves=True)
    index = _index()
    running = process.log()
    _read(index, [running, process.checkpoint()])
    later = process.log()
    assert _judged(index, [running, later]) == [YES, UNKNOWN]

    other = Process(1, leaves=True)
    _read(index, [other.log(), other.checkpoint(final=True)])
    assert _judged(index, [later]) == [NO]


def test_stranger_is_not_judged() -> None:
    index = _index(Signer(2, "another"))
    process = Process(1)
    records = process.run(10)
    _read(index, records)

    assert _judged(index, records) == [UNKNOWN] * 10
    assert not index.is_trusted(process.producer)
    assert index.lacking == 0


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
def test_signed_records_that_are_absent_are_counted(*, leaves: bool) -> None:
    records = topic(Process(1, leaves=leaves).run(10))
    index = _index()
    _read(index, records[3:])
    for record in records[3:]:
        place = index.place_of(record)
        if place is not None and index.judge(place) is YES:
            index.find(place)

    assert index.lacking == 3


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
@pytest.mark.parametrize(("hours", "lacking"), [(-2, 3), (2, 0)], ids=["read from before", "read from after"])
def test_what_was_signed_before_the_part_that_is_read_may_be_absent(hours: int, lacking: int, *, leaves: bool) -> None:
    records = topic(Process(1, leaves=leaves).run(10))
    appended = START.timestamp() + hours * 3_600
    index = _index()
    _read(index, [record._replace(append_time=appended) for record in records[3:]])
    for record in records[3:]:
        place = index.place_of(record)
        if place is not None and index.judge(place) is YES:
            index.find(place)

    assert index.lacking == lacking


def test_first_of_two_histories_counts() -> None:
    first, second = Process(1, leaves=True), Process(1, leaves=True)
    true, other = first.log(payload=b"1"), second.log(payload=b"2")
    index = _index()
    _read(index, [true, first.checkpoint(), other, second.checkpoint(final=True)])

    assert _judged(index, [true, other]) == [YES, NO]


def test_checkpoint_for_another_topic_proves_nothing_here() -> None:
    process = Process(1, leaves=True)
    records = [record._replace(place=record.place._replace(source="copied")) for record in topic(process.run(5))]
    index, signer = _index(), Signer()
    _read(index, records)
    mirror = TrustedKey(
        public=signer.public, roles=frozenset({Role.SERVICE}), sources=("/production/*",), topics=(TOPIC,)
    )
    accepting = ProofIndex(TrustPolicy((mirror,)), Listener())
    _read(accepting, records)

    assert _judged(index, records) == [UNKNOWN] * 5
    assert _judged(accepting, records) == [YES] * 5


def test_signed_data_keys_are_listed_once() -> None:
    listener = Listener()
    index = ProofIndex(TrustPolicy.of_keys([Signer().public]), listener)
    _read(index, Process(1, leaves=True).run(30))

    assert len(listener.kids) == 1


def test_data_key_is_refused_elsewhere() -> None:
    process = Process(1, leaves=True, data_key=7)
    records = process.run(10)
    index = _index()
    _read(index, records)
    thief = Process(2, data_key=7)
    of_another_process = thief.log()
    later = process.log()
    of_another_service = Process(3, data_key=7, service="marketing").log()

    def refusal(record: RawRecord) -> str:
        place = index.place_of(record)
        assert place is not None
        return index.refusal(place, record.value or b"")

    assert "another process" in refusal(of_another_process)
    assert "its last record" in refusal(later)
    assert refusal(of_another_service) == ""
    assert refusal(records[0]) == ""


@pytest.mark.parametrize("end", ["running", "recovered", "not read from the start"])
def test_data_key_of_a_genuine_record_is_not_refused(end: str) -> None:
    process = Process(1, leaves=True)
    early = process.log()
    records = [early, *process.run(19, end=False), *[process.checkpoint(recovered=True)] * (end == "recovered")]
    later = process.log()
    if end == "not read from the start":
        # The first checkpoint, which lists the key for the first record, was not read.
        records, later = [*records[12:], process.checkpoint(final=True)], early
    index = _index()
    _read(index, records)
    place = index.place_of(later)

    assert place is not None
    assert index.refusal(place, later.value or b"") == ""


def test_room_for_unsigned_records_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MAX_HELD_EVENTS", 100)
    records, others = Process(1).run(1_000, every=500), Process(2, leaves=True).run(300)
    index = _index()
    _read(index, [*records, *others])

    # Without leaves there must be room for the whole interval; with them there need not be any.
    assert set(_judged(index, records)) == {UNKNOWN}
    assert set(_judged(index, others)) == {YES}


def test_altered_form_is_still_a_claim() -> None:
    process = Process(1, leaves=True)
    records = process.run(5)
    index = _index()
    _read(index, records)
    spaced = altered(records[2], lambda value: value.replace(b":", b": ", 1))
    place = index.place_of(spaced)

    assert place is not None
    assert (place.producer, place.sequence) == (process.producer, 2)
    assert index.judge(place) is NO
    assert index.place_of(RawRecord(None, b"junk", records[0].place)) is None
    assert index.place_of(RawRecord(None, None, records[0].place)) is None


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
def test_redacted_event_is_proven_by_its_leaf(*, leaves: bool) -> None:
    process = Process(1, leaves=leaves)
    records = topic(process.run(10))
    index = _index()
    gone = index.place_of(records[3])
    assert gone is not None
    redacted = RedactedEvent(
        source=gone.source,
        producer=gone.producer,
        sequence=gone.sequence,
        leaf=leaf_hash(records[3].value or b""),
        place=records[3].place,
        reason="asked",
        request="r-1",
    )
    _read(index, records[:3])
    place = index.observe_redacted(redacted)
    _read(index, records[4:])

    assert index.judge(place) is YES
    assert index.judge(place._replace(leaf=bytes(32))) is NO
    assert _judged(index, records[:3] + records[4:]) == [YES] * 9


@pytest.mark.parametrize("leaves", [True, False], ids=["v2", "v1"])
@pytest.mark.parametrize("packed", [True, False])
def test_ended_events_are_not_lacking(*, packed: bool, leaves: bool) -> None:
    process = Process(1, leaves=leaves)
    events = [process.log() for _ in range(4)]
    index = _index()
    places = [index.place_of(event) for event in events]
    kept = b"".join(place.leaf for place in places if place is not None)
    place = places[0]
    assert place is not None
    checkpoint = process.checkpoint()
    for run in ((checkpoint,), (checkpoint, None)):
        index = _index()
        for record in run:
            if record is not None:
                index.observe(record)
            else:
                index.observe_ended(
                    EndedRun(
                        source=place.source,
                        producer=place.producer,
                        first=0,
                        end=4,
                        leaves=kept if packed else None,
                        place=events[0].place,
                        policy="7y",
                    )
                )
        assert index.lacking == (4 if len(run) == 1 else 0)

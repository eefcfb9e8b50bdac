"""A batch passes entries on, keeps what a withheld key seals as sealed rows, and ends the pass when keys are away."""

from __future__ import annotations

import pytest

from telemetry.exceptions import (
    KeyAccessDeniedError,
    KeyMismatchError,
    KeyUnreachableError,
    TelemetryError,
    UnknownKeysError,
)
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.fill.batch import BATCH, Batch
from telemetry.explorer.index.search import Search
from telemetry.reader.entry import DamagedRecord, Proven
from tests.support.index_entries import an_event, id_of, left_sealed, opened


class Judge:
    """A trail that has learnt more each time that it is told so."""

    def __init__(self) -> None:
        self.judgements = 0
        self.asked = 0
        self.proven = Proven.PENDING

    def learn(self, proven: Proven) -> None:
        self.judgements += 1
        self.proven = proven

    def judge(self, producer: str, source: str, sequence: int, leaf: bytes) -> tuple[Proven, str | None]:
        self.asked += 1
        assert (producer[:8], source, len(leaf)) == ("0198c0de", "/test/shop", 32)
        assert sequence >= 0
        return self.proven, None


@pytest.fixture
def index() -> EventIndex:
    return EventIndex()


@pytest.fixture
def judge() -> Judge:
    return Judge()


def refused(number: int, error: TelemetryError) -> DamagedRecord:
    raw = left_sealed(number).raw
    return DamagedRecord(raw.place, error, raw)


def test_full_batch_is_passed_on(index: EventIndex, judge: Judge) -> None:
    batch = Batch(index, judge)
    for number in range(BATCH):
        batch.read()
        batch.add(opened(an_event(number)))

    assert index.state.indexed >= BATCH - 1
    batch.pass_on()
    assert (index.state.indexed, index.state.read) == (BATCH, BATCH)


def test_pending_events_are_judged_when_more_is_known(index: EventIndex, judge: Judge) -> None:
    batch = Batch(index, judge)
    batch.add(opened(an_event(1), proven=Proven.PENDING))
    batch.pass_on()
    batch.pass_on()
    assert judge.asked == 0

    judge.learn(Proven.YES)
    batch.pass_on()

    assert judge.asked == 1
    assert index.overview(with_content=True).proven == 1


def test_event_whose_key_is_withheld_stays_sealed(index: EventIndex, judge: Judge) -> None:
    batch = Batch(index, judge)
    batch.add(refused(7, KeyAccessDeniedError("denied")))
    batch.pass_on()
    (row,) = index.search(Search(), with_content=True).rows

    assert (row.event_id, row.is_opened, row.content, row.proven) == (id_of(7), False, None, Proven.PENDING)
    assert index.state.damaged == 0


@pytest.mark.parametrize("error", [KeyMismatchError("forged"), UnknownKeysError("too many")])
def test_forged_key_is_damage(index: EventIndex, judge: Judge, error: TelemetryError) -> None:
    batch = Batch(index, judge)
    batch.add(refused(7, error))
    batch.pass_on()

    assert (index.state.indexed, index.state.damaged) == (0, 1)


def test_key_service_that_is_away_ends_the_pass(index: EventIndex, judge: Judge) -> None:
    with pytest.raises(KeyUnreachableError):
        Batch(index, judge).add(refused(7, KeyUnreachableError("no answer")))


def test_record_of_no_form_with_withheld_key_is_damage(index: EventIndex, judge: Judge) -> None:
    entry = refused(7, KeyAccessDeniedError("denied"))
    batch = Batch(index, judge)
    batch.add(DamagedRecord(entry.place, entry.error, entry.raw._replace(value=b"hello")))
    batch.pass_on()

    assert index.state.damaged == 1

from __future__ import annotations

import threading

import pytest

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.stream import KeyWaiters, ProducerStream
from telemetry.audit.accept.waiting_line import Patience, WaitingLine
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import BackpressureError, EncryptionError, LifecycleError, TelemetryError
from tests.support.until import until


class Sealing:
    """Seals while it has a key."""

    def __init__(self) -> None:
        self.has_key = True

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        if not (self.has_key and producer and sequence >= 0):
            return None
        return SealedRecord.written(
            draft.id, producer=producer, sequence=sequence, key=draft.key, value=draft.json_after_sequence
        )


class Bench:
    """An intake with a room, a key service that never answers by itself, and a list as its queue."""

    def __init__(
        self, *, max_events: int = 3, max_bytes: int = 1 << 20, max_waiting: int = 1_000, patience: float = 600.0
    ) -> None:
        self.sealing = Sealing()
        self.appended: list[SealedRecord] = []
        self.wanted = 0
        self.refusals = self.unobserved = 0
        self.now = 0.0
        lock = threading.Lock()
        self.room = Room(lock=lock, max_events=max_events, max_bytes=max_bytes)
        stream = ProducerStream(self.sealing, keys=self)
        line = WaitingLine(
            max_events=max_waiting,
            max_bytes=1 << 20,
            patience=Patience(room=patience, key=patience * 2),
            clock=lambda: self.now,
        )
        self.times = SealTimes(lock)
        self.intake = Intake(
            stream,
            lock=lock,
            room=self.room,
            line=line,
            queue=self,
            refusals=self,
            timer=WaitingTimer(lock),
            times=self.times,
        )
        self._factory = EventFactory(service_name="s", environment="e", version="", max_event_bytes=1 << 20)

    def add(self, record: SealedRecord) -> None:
        self.appended.append(record)

    def request(self, waiters: KeyWaiters) -> None:
        assert waiters is self.intake
        self.wanted += 1

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        assert isinstance(error, EncryptionError | LifecycleError | BackpressureError)
        self.refusals += calls

    def lost(self, error: TelemetryError, *, events: int) -> None:
        assert isinstance(error, TelemetryError)
        self.unobserved += events

    def missing(self) -> EncryptionError:
        return EncryptionError("no key")

    def draft(self, number: int = 0, size: int = 0) -> EventDraft:
        return self._factory.draft("t", {"n": number, "pad": "x" * size}, "u", {})

    def offer(self, number: int = 0, size: int = 0) -> Receipt:
        return self.intake.offer(self.draft(number, size))

    def waiting(self, number: int = 0, size: int = 0) -> Receipt:
        offered = self.offer(number, size)
        assert not offered.is_accepted
        assert offered.sequence is None
        return offered

    def settle(self, count: int = 1) -> None:
        settled = [record for record in self.appended if not record.reported][:count]
        for record in settled:
            record.reported = True
        self.room.give_back(len(settled), sum(record.size for record in settled))


def test_refused_event_leaves_no_hole() -> None:
    bench = Bench(max_events=2)
    bench.offer()
    bench.offer()
    gave_up = bench.waiting()
    bench.now = 600
    bench.intake.expire()
    bench.settle()
    bench.offer()

    assert [record.sequence for record in bench.appended] == [0, 1, 2]
    with pytest.raises(BackpressureError):
        gave_up.wait(0)
    assert (bench.refusals, bench.unobserved) == (1, 1)


def test_waiting_events_are_accepted_in_order() -> None:
    bench = Bench(max_events=1)
    bench.offer(0)
    receipts = [bench.waiting(number) for number in range(1, 6)]
    for _ in range(5):
        bench.settle()

    assert [receipt.wait(0).sequence for receipt in receipts] == [1, 2, 3, 4, 5]


def test_small_event_overtakes_no_large_one() -> None:
    bench = Bench(max_events=10, max_bytes=70_000)
    bench.offer(size=30_000)
    large = bench.waiting(1, size=30_000)
    small = bench.waiting(2, size=10)
    bench.settle()

    assert (large.sequence, small.sequence) == (1, 2)


def test_expired_event_unblocks_those_after_it() -> None:
    bench = Bench(max_events=10, max_bytes=70_000)
    bench.offer(size=30_000)
    large = bench.waiting(1, size=30_000)
    bench.now = 500
    small = bench.waiting(2, size=10)
    assert bench.intake.expire() == 100

    bench.now = 600
    assert bench.intake.expire() is None

    assert small.sequence == 1
    assert not large.is_accepted


def test_event_larger_than_the_bound_passes_alone() -> None:
    bench = Bench(max_events=10, max_bytes=1 << 16)

    assert bench.offer(size=1 << 17).is_accepted
    waiting = bench.waiting()
    bench.settle()
    assert waiting.sequence == 1


def test_bounds_count_unsettled_events() -> None:
    bench = Bench(max_events=3)
    for _ in range(3):
        bench.offer()
    bench.waiting()

    assert bench.room.used == (3, sum(record.size for record in bench.appended))
    assert bench.intake.waiting == 1
    bench.settle(3)
    assert bench.room.used[0] == 1


def test_waiting_events_are_bounded() -> None:
    bench = Bench(max_events=1, max_waiting=2)
    bench.offer()
    receipts = [bench.waiting(), bench.waiting()]

    with pytest.raises(BackpressureError, match="2 events wait"):
        bench.offer()

    bench.settle()
    bench.settle()
    assert [receipt.sequence for receipt in receipts] == [1, 2]


def test_waiting_bytes_are_bounded() -> None:
    bench = Bench(max_events=1)
    bench.offer()
    bench.waiting(size=1_048_000)

    with pytest.raises(BackpressureError):
        bench.offer(size=1)


def test_without_patience_nothing_waits() -> None:
    bench = Bench(max_events=1, patience=0)
    bench.offer()
    with pytest.raises(BackpressureError):
        bench.offer()
    bench.settle()
    bench.sealing.has_key = False

    with pytest.raises(EncryptionError):
        bench.offer()
    assert bench.wanted == 1, "the next call may find a key"


def test_events_without_key_wait_and_request_one() -> None:
    bench = Bench()
    bench.sealing.has_key = False
    receipts = [bench.waiting(number) for number in range(3)]
    assert bench.wanted == 3

    bench.sealing.has_key = True
    bench.intake.key_arrived()

    assert [receipt.sequence for receipt in receipts] == [0, 1, 2]


def test_missing_key_has_its_own_patience() -> None:
    bench = Bench()
    bench.sealing.has_key = False
    waiting = bench.waiting()
    bench.now = 1_199
    assert bench.intake.expire() == 1

    bench.now = 1_200
    assert bench.intake.expire() is None
    with pytest.raises(EncryptionError):
        waiting.wait(0)


def test_unavailable_key_fails_waiting_events() -> None:
    bench = Bench()
    bench.sealing.has_key = False
    receipts = [bench.waiting(), bench.waiting()]
    error = EncryptionError("denied")

    bench.intake.key_unavailable(error)

    assert (bench.refusals, bench.unobserved) == (2, 2)
    for receipt in receipts:
        with pytest.raises(EncryptionError) as caught:
            receipt.wait(0)
        assert caught.value is error
    assert bench.appended == []


def test_failure_with_a_waiter_is_not_unobserved() -> None:
    bench = Bench(max_events=1)
    bench.offer()
    waiting = bench.waiting()
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            waiting.wait(60)
        except EncryptionError as exc:
            outcome.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    until(lambda: waiting._waiters is not None)
    bench.intake.key_unavailable(EncryptionError("denied"))
    thread.join(60)

    assert len(outcome) == 1
    assert (bench.refusals, bench.unobserved) == (1, 0)


def test_closed_intake_still_accepts_what_waits() -> None:
    bench = Bench(max_events=1)
    bench.offer()
    first, second = bench.waiting(), bench.waiting()

    bench.intake.close(LifecycleError("over"))

    with pytest.raises(LifecycleError):
        bench.offer()
    bench.settle()
    assert first.sequence == 1
    bench.intake.refuse_waiting()
    with pytest.raises(LifecycleError):
        second.wait(0)
    assert bench.refusals == 1


def test_many_threads_lose_and_double_nothing() -> None:
    bench = Bench(max_events=5, max_waiting=3)
    accepted: list[Receipt] = []
    refused: list[int] = []
    ended = threading.Event()

    def call() -> None:
        for number in range(200):
            try:
                accepted.append(bench.offer(number).wait(60))
            except BackpressureError:
                refused.append(number)

    def settle() -> None:
        while not ended.is_set():
            bench.settle()

    settler = threading.Thread(target=settle)
    settler.start()
    callers = [threading.Thread(target=call) for _ in range(6)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    ended.set()
    settler.join(30)

    assert len(accepted) + len(refused) == 1_200
    assert sorted(receipt.sequence or 0 for receipt in accepted) == list(range(len(accepted)))
    assert [record.sequence for record in bench.appended] == list(range(len(accepted)))
    assert bench.intake.waiting == 0

from __future__ import annotations

import random
import threading
from concurrent.futures import Future

import pytest

from telemetry.audit.accept.draft import EventDraft, EventFactory
from telemetry.audit.accept.intake import Intake, Ticket
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.stream import KeyWaiters, ProducerStream
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import EncryptionError, LifecycleError, TelemetryError


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

    def __init__(self, *, max_events: int = 3, max_bytes: int = 1 << 20) -> None:
        self.sealing = Sealing()
        self.appended: list[SealedRecord] = []
        self.wanted = 0
        self.refusals = 0
        lock = threading.Lock()
        self.room = Room(lock=lock, max_events=max_events, max_bytes=max_bytes)
        stream = ProducerStream(self.sealing, keys=self)
        self.intake = Intake(stream, lock=lock, room=self.room, queue=self, refusals=self)
        self._factory = EventFactory(service_name="s", environment="e", version="", max_event_bytes=1 << 20)

    def add(self, record: SealedRecord) -> None:
        self.appended.append(record)

    def request(self, waiters: KeyWaiters) -> None:
        assert waiters is self.intake
        self.wanted += 1

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        assert isinstance(error, EncryptionError | LifecycleError)
        self.refusals += calls

    def draft(self, number: int = 0, size: int = 0) -> EventDraft:
        return self._factory.draft("t", {"n": number, "pad": "x" * size}, "u", {})

    def offer(self, number: int = 0, size: int = 0) -> Receipt | Ticket:
        return self.intake.offer(self.draft(number, size))

    def ticket(self, number: int = 0, size: int = 0) -> Ticket:
        offered = self.offer(number, size)
        assert isinstance(offered, Ticket)
        return offered

    def settle(self, count: int = 1) -> None:
        settled = [record for record in self.appended if not record.reported][:count]
        for record in settled:
            record.reported = True
        self.room.give_back(len(settled), sum(record.size for record in settled))


def _receipt(ticket: Ticket) -> Receipt:
    return ticket.receipt.result(0)


def test_refused_event_leaves_no_hole() -> None:
    bench = Bench(max_events=2)
    bench.offer()
    bench.offer()
    gave_up = bench.ticket()
    assert bench.intake.withdraw(gave_up)
    bench.settle()
    bench.offer()

    assert [record.sequence for record in bench.appended] == [0, 1, 2]


def test_waiting_calls_are_accepted_in_order() -> None:
    bench = Bench(max_events=1)
    bench.offer(0)
    tickets = [bench.ticket(number) for number in range(1, 6)]
    for _ in range(5):
        bench.settle()

    assert [_receipt(ticket).sequence for ticket in tickets] == [1, 2, 3, 4, 5]


def test_small_event_overtakes_no_large_one() -> None:
    bench = Bench(max_events=10, max_bytes=70_000)
    bench.offer(size=30_000)
    large = bench.ticket(1, size=30_000)
    small = bench.ticket(2, size=10)
    bench.settle()

    assert (_receipt(large).sequence, _receipt(small).sequence) == (1, 2)


def test_withdrawn_call_unblocks_those_after_it() -> None:
    bench = Bench(max_events=10, max_bytes=70_000)
    bench.offer(size=30_000)
    large, small = bench.ticket(1, size=30_000), bench.ticket(2, size=10)

    assert bench.intake.withdraw(large)

    assert _receipt(small).sequence == 1
    assert not large.receipt.done()


def test_event_larger_than_the_bound_passes_alone() -> None:
    bench = Bench(max_events=10, max_bytes=1 << 16)

    assert isinstance(bench.offer(size=1 << 17), Receipt)
    waiting = bench.ticket()
    bench.settle()
    assert _receipt(waiting).sequence == 1


def test_bounds_count_unsettled_events() -> None:
    bench = Bench(max_events=3)
    for _ in range(3):
        bench.offer()
    bench.ticket()

    assert bench.room.used == (3, sum(record.size for record in bench.appended))
    assert bench.intake.waiting == 1
    bench.settle(3)
    assert bench.room.used[0] == 1


def test_events_without_key_wait_and_request_one() -> None:
    bench = Bench()
    bench.sealing.has_key = False
    tickets = [bench.ticket(number) for number in range(3)]
    assert all(ticket.waits_for_key for ticket in tickets)
    assert bench.wanted == 3

    bench.sealing.has_key = True
    bench.intake.key_arrived()

    assert [_receipt(ticket).sequence for ticket in tickets] == [0, 1, 2]


def test_unavailable_key_fails_waiting_calls() -> None:
    bench = Bench()
    bench.sealing.has_key = False
    tickets = [bench.ticket(), bench.ticket()]
    error = EncryptionError("denied")

    bench.intake.key_unavailable(error)

    assert bench.refusals == 2

    for ticket in tickets:
        assert ticket.receipt.exception(0) is error
        assert not bench.intake.withdraw(ticket)
    assert bench.appended == []


def test_call_cancelled_at_acceptance_keeps_its_event() -> None:
    bench = Bench(max_events=1)
    bench.offer()
    ticket = bench.ticket()
    ticket.receipt.cancel()
    bench.settle()

    assert len(bench.appended) == 2
    assert not bench.intake.withdraw(ticket)


def test_closed_intake_refuses_waiting_calls() -> None:
    bench = Bench(max_events=1)
    bench.offer()
    ticket = bench.ticket()
    error = LifecycleError("over")

    bench.intake.close(error)

    assert bench.refusals == 1

    assert ticket.receipt.exception(0) is error
    with pytest.raises(LifecycleError):
        bench.offer()
    bench.settle()
    assert len(bench.appended) == 1


def test_many_threads_lose_and_double_nothing() -> None:
    bench = Bench(max_events=5)
    accepted: list[Receipt] = []
    withdrawn: list[Ticket] = []
    ended = threading.Event()

    def call(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - who gives up, no secret
        for number in range(200):
            offered = bench.offer(number)
            if isinstance(offered, Receipt):
                accepted.append(offered)
            elif dice.random() < 0.3 and bench.intake.withdraw(offered):
                withdrawn.append(offered)
            else:
                accepted.append(offered.receipt.result(60))

    def settle() -> None:
        while not ended.is_set():
            bench.settle()

    settler = threading.Thread(target=settle)
    settler.start()
    callers = [threading.Thread(target=call, args=(seed,)) for seed in range(6)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    ended.set()
    settler.join(30)

    assert len(accepted) + len(withdrawn) == 1_200
    assert sorted(receipt.sequence for receipt in accepted) == list(range(len(accepted)))
    assert [record.sequence for record in bench.appended] == list(range(len(accepted)))
    assert bench.intake.waiting == 0


def test_ticket_has_a_future() -> None:
    assert isinstance(Ticket(Bench().draft()).receipt, Future)

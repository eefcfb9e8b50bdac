"""What the events that wait lack is asked for in one request, and a slow key of one person keeps nobody else waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.key_supply import ReadyKeys
from telemetry.audit.accept.room import Room
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.subject.both_keys import BothKeys
from telemetry.audit.accept.subject.encryptor import SubjectEncryptor
from telemetry.audit.accept.waiting_line import Patience, WaitingLine
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import SubjectStoreError, TelemetryError
from telemetry.format.value.message import context_of
from tests.services.stub_keys import StubKeys
from tests.support.subject_keys import SOURCE, MemorySubjects
from tests.support.until import until


class Bench:
    """An intake whose events have subjects, and a store of their keys that answers when the test says so."""

    def __init__(self) -> None:
        self.subjects = MemorySubjects(answers=False)
        self.service = StubKeys()
        self.keyring = DataKeyring(
            self.service, context=context_of(SOURCE), max_age=3_600, max_uses=1_000, max_bytes=1 << 30, grace=0
        )
        self.keyring.request().result(60)
        self.keys = BothKeys(ReadyKeys(self.keyring), self.subjects)
        self.factory = EventFactory(
            service_name="shop", environment="production", version="", max_event_bytes=1 << 16, features=("subject",)
        )
        self.appended: list[SealedRecord] = []
        self.now, self.refusals = 0.0, 0
        lock = threading.Lock()
        self.room = Room(lock=lock, max_events=10_000, max_bytes=1 << 30)
        self.line = WaitingLine(
            max_events=5_000, max_bytes=1 << 30, patience=Patience(600, 600), clock=lambda: self.now
        )
        self.intake = Intake(
            ProducerStream(SubjectEncryptor(self.keyring, source=SOURCE, subjects=self.subjects), keys=self.keys),
            lock=lock,
            room=self.room,
            line=self.line,
            queue=self,
            refusals=self,
            timer=WaitingTimer(lock),
            times=SealTimes(lock),
        )

    def add(self, record: SealedRecord) -> None:
        self.appended.append(record)

    def refused(self, error: TelemetryError, *, calls: int = 1) -> None:
        assert isinstance(error, SubjectStoreError)
        self.refusals += calls

    def lost(self, error: TelemetryError, *, events: int) -> None:
        del error, events

    def log(self, user_id: str) -> Receipt:
        return self.intake.offer(self.factory.draft("t", {"n": 1}, user_id, {}))


@pytest.fixture
def bench() -> Iterator[Bench]:
    parts = Bench()
    yield parts
    parts.keyring.close()


def test_new_users_are_asked_for_together(bench: Bench) -> None:
    receipts = [bench.log(f"user-{number % 400}") for number in range(1_000)]
    assert bench.subjects.requests == [["user-0"]]

    bench.subjects.answer()
    assert [len(users) for users in bench.subjects.requests] == [1, 399]
    bench.subjects.answer()

    assert [receipt.sequence for receipt in receipts] == list(range(1_000))


def test_of_thousands_that_wait_500_are_asked_for(bench: Bench) -> None:
    receipts = [bench.log(f"user-{number}") for number in range(1_200)]
    bench.subjects.answers = True
    bench.subjects.answer()

    assert [len(users) for users in bench.subjects.requests] == [1, 500, 500, 199]
    assert all(receipt.is_accepted for receipt in receipts)


def test_person_with_a_key_passes_those_who_wait_for_one(bench: Bench) -> None:
    bench.subjects.give("bob")
    ada, bob = bench.log("ada"), bench.log("bob")
    assert (ada.is_accepted, bob.sequence) == (False, 0)

    bench.subjects.answer()
    assert ada.sequence == 1


def test_events_of_one_person_stay_in_order(bench: Bench) -> None:
    first = bench.log("ada")
    # The key appears, and the events that wait have not been accepted yet.
    bench.subjects.give("ada")
    second = bench.log("ada")
    assert not second.is_accepted

    bench.subjects.answer()
    assert (first.sequence, second.sequence) == (0, 1)


def test_those_without_room_are_not_passed(bench: Bench) -> None:
    bench.room.free_events = 0
    bench.subjects.give("ada")
    bench.subjects.give("bob")
    ada = bench.log("ada")
    bench.room.free_events = 1
    assert not bench.log("bob").is_accepted

    bench.room.give_back(1, 0)
    assert ada.sequence == 0


def test_store_that_is_away_refuses_who_needs_it(bench: Bench) -> None:
    bench.subjects.give("bob")
    ada = bench.log("ada")
    bench.subjects.answer(SubjectStoreError("the store is away"))

    with pytest.raises(SubjectStoreError, match="away"):
        ada.wait(0)
    assert bench.log("bob").is_accepted
    assert bench.refusals == 1


def test_waiting_too_long_names_the_store(bench: Bench) -> None:
    ada = bench.log("ada")
    bench.now = 600
    bench.intake.expire()

    with pytest.raises(SubjectStoreError, match="subject keys"):
        ada.wait(0)
    assert bench.line.subjects == []


def test_both_keys_are_missing(bench: Bench) -> None:
    bench.keyring.close()
    ring = DataKeyring(
        bench.service, context=context_of(SOURCE), max_age=3_600, max_uses=10, max_bytes=1 << 30, grace=0
    )
    bench.subjects.answers = True
    keys = BothKeys(ReadyKeys(ring), bench.subjects)
    sealer = SubjectEncryptor(ring, source=SOURCE, subjects=bench.subjects)
    lock = threading.Lock()
    intake = Intake(
        ProducerStream(sealer, keys=keys),
        lock=lock,
        room=Room(lock=lock, max_events=100, max_bytes=1 << 20),
        line=WaitingLine(max_events=100, max_bytes=1 << 20, patience=Patience(600, 600)),
        queue=bench,
        refusals=bench,
        timer=WaitingTimer(lock),
        times=SealTimes(lock),
    )
    receipts = [intake.offer(bench.factory.draft("t", 1, f"user-{number}", {})) for number in range(40)]

    until(lambda: all(receipt.is_accepted for receipt in receipts))
    ring.close()

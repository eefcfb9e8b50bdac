"""Outbox rows of events with a subject: sealed without a place, and never under a key that may be destroyed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.outbox.sealed_event import SealedEvent
from telemetry.audit.accept.subject.row_sealer import SubjectRowSealer
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import KeyUnreachableError, SubjectStoreError
from telemetry.format.objects.outbox_row import most_bytes, parse_row
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import context_of
from telemetry.reader import OpenedEvent, Place, RawRecord, RecordOpener
from tests.services.stub_keys import StubKeys
from tests.support.subject_keys import SOURCE, MemorySubjects

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
MAX_BYTES = 1 << 16


class Bench:
    """A sealer of rows, and a reader of what a relay would make of them."""

    def __init__(self, *, patience: float = 60.0) -> None:
        self.subjects = MemorySubjects()
        self.service = StubKeys()
        self.keyring = DataKeyring(
            self.service, context=context_of(SOURCE), max_age=3_600, max_uses=1_000, max_bytes=1 << 30, grace=0
        )
        self.sealer = SubjectRowSealer(self.keyring, source=SOURCE, patience=patience, subjects=self.subjects)
        self.factory = EventFactory(
            service_name="shop",
            environment="production",
            version="",
            max_event_bytes=MAX_BYTES,
            features=("subject",),
        )

    def draft(self, user_id: str = "ada", payload: Any = "payload-canary", **fields: Any) -> EventDraft:
        return self.factory.draft("order.paid", payload, user_id, fields)

    def open(self, row: SealedEvent, sequence: int = 3) -> AuditEvent:
        parsed = parse_row(row.data, max_bytes=most_bytes(MAX_BYTES))
        raw = RawRecord(parsed.key, parsed.value(PRODUCER, sequence), Place("topic"))
        entry = RecordOpener(self.service, subjects=self.subjects).open(raw)
        assert isinstance(entry, OpenedEvent), entry
        return entry.event


@pytest.fixture
def bench() -> Iterator[Bench]:
    parts = Bench()
    yield parts
    parts.keyring.close()


def test_row_opens_in_the_place_that_it_gets(bench: Bench) -> None:
    row = bench.sealer.seal(bench.draft(reason="r"), may_block=True)

    assert (bench.open(row).user_id, bench.open(row, 9).sequence) == ("ada", 9)
    assert bench.open(row).features == ("reason", "relayed", "subject")
    assert b"ada" not in row.key


def test_row_of_a_forgotten_subject(bench: Bench) -> None:
    row = bench.sealer.seal(bench.draft(), may_block=True)
    bench.subjects.forget("ada")

    assert bench.open(row).is_forgotten


def test_event_loop_is_not_blocked_for_a_subject(bench: Bench) -> None:
    bench.subjects.answers = False
    bench.keyring.request().result(60)

    with pytest.raises(KeyUnreachableError, match=r"key_ready\(user_id\)"):
        bench.sealer.seal(bench.draft(), may_block=False)

    async def ready() -> None:
        waiting = asyncio.wrap_future(bench.sealer.request_key("ada"))
        bench.subjects.answer()
        await waiting

    asyncio.run(ready())
    assert bench.open(bench.sealer.seal(bench.draft(), may_block=False)).user_id == "ada"


def test_request_waits_for_both_keys(bench: Bench) -> None:
    bench.service.gate.clear()
    requested = bench.sealer.request_key("ada")
    assert not requested.done()

    bench.service.gate.set()
    requested.result(60)


def test_request_fails_with_the_error_of_the_store(bench: Bench) -> None:
    bench.subjects.answers = False
    requested = bench.sealer.request_key("ada")
    bench.subjects.answer(SubjectStoreError("the store is away"))

    with pytest.raises(SubjectStoreError, match="away"):
        requested.result(60)


def test_store_that_does_not_answer_is_named() -> None:
    bench = Bench(patience=0.0)
    bench.subjects.answers = False
    bench.keyring.request().result(60)

    with pytest.raises(SubjectStoreError, match="did not answer"):
        bench.sealer.seal(bench.draft(), may_block=True)
    bench.keyring.close()


def test_stopped_in_the_middle_seals_again(bench: Bench) -> None:
    bench.subjects.is_stopped = True
    bench.subjects.give("ada")
    made: list[SealedEvent] = []
    thread = threading.Thread(target=lambda: made.append(bench.sealer.seal(bench.draft(), may_block=True)))
    thread.start()
    assert not made
    bench.subjects.is_stopped = False
    thread.join(60)

    assert bench.open(made[0]).user_id == "ada"


def test_largest_event_fits_into_a_row(bench: Bench) -> None:
    row = bench.sealer.seal(bench.draft(payload="x" * (MAX_BYTES - 400)), may_block=True)

    assert len(bench.open(row).payload) == MAX_BYTES - 400

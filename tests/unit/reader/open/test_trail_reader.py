"""Reading a stream of entries: copies, damaged records, and a reading that is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.exceptions import MalformedRecordError
from telemetry.reader import DamagedRecord, OpenedEvent, Place, Proven, RawRecord, TrailReader
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.trust.policy import TrustPolicy
from tests.property.test_sealed_record import KnownProvider
from tests.services.sealed_records import PLACE, PRODUCERS, Sealer
from tests.support.written_trail import Signer

PATIENCE = 60.0


@pytest.fixture(scope="module")
def provider() -> KnownProvider:
    return KnownProvider()


@pytest.fixture(scope="module")
def records(provider: KnownProvider) -> list[RawRecord]:
    sealer = Sealer(provider)
    return [sealer.seal(f"user-{number}") for number in range(5)]


def clear_record(sequence: int) -> RawRecord:
    """Return an event in the clear that claims the place of a sealed one."""
    factory = EventFactory(service_name="shop", environment="production", version="1", max_event_bytes=1 << 20)
    draft = factory.draft("user_login", None, "mallory", {})
    record = ClearEncoder(source="/production/shop").seal(draft, PRODUCERS[0], sequence)
    return RawRecord(record.key, record.value, PLACE)


def sequences(reader: TrailReader) -> list[int]:
    return [entry.event.sequence for entry in reader if isinstance(entry, OpenedEvent)]


def test_duplicates_are_dropped_and_counted(provider: KnownProvider, records: list[RawRecord]) -> None:
    reader = TrailReader([*records, *records[::-1]], provider=provider)

    assert sequences(reader) == [0, 1, 2, 3, 4]
    assert reader.duplicates_dropped == 5


def test_duplicates_are_yielded_on_request(provider: KnownProvider, records: list[RawRecord]) -> None:
    reader = TrailReader([*records, records[0]], provider=provider, duplicates=True)

    assert sequences(reader) == [0, 1, 2, 3, 4, 0]
    assert reader.duplicates_dropped == 0


def test_sealed_duplicates_need_no_key(records: list[RawRecord]) -> None:
    reader = TrailReader([*records, *records], provider=None)

    assert len(list(reader)) == 5


def test_clear_event_does_not_displace_a_sealed_one(provider: KnownProvider, records: list[RawRecord]) -> None:
    reader = TrailReader([clear_record(2), *records], provider=provider)
    entries = [entry for entry in reader if isinstance(entry, OpenedEvent)]

    assert [(entry.event.sequence, entry.sealed) for entry in entries] == [
        (2, False),
        *((number, True) for number in range(5)),
    ]


def test_damaged_records_are_counted_and_yielded(provider: KnownProvider, records: list[RawRecord]) -> None:
    place = Place("a file", None, 3)
    damaged = DamagedRecord(place, MalformedRecordError("not a line"), RawRecord(None, None, place))
    altered = records[0]._replace(value=(records[0].value or b"") + b" ")
    reader = TrailReader([damaged, altered, records[1]], provider=provider)

    assert [isinstance(entry, DamagedRecord) for entry in reader] == [True, True, False]
    assert reader.damaged == 2


async def test_async_reading_yields_the_same(provider: KnownProvider, records: list[RawRecord]) -> None:
    entries = [entry async for entry in TrailReader(records * 200, provider=provider)]

    assert entries == list(TrailReader(records, provider=provider))


class EndlessSource:
    """Yields one record, then waits until it is stopped."""

    is_endless = True

    def __init__(self, record: RawRecord) -> None:
        self._record = record
        self._stopped = threading.Event()
        self.is_waiting = threading.Event()
        self.has_ended = False

    def __iter__(self) -> Iterator[RawRecord]:
        yield self._record
        self.is_waiting.set()
        assert self._stopped.wait(PATIENCE)
        self.has_ended = True

    def stop(self) -> None:
        self._stopped.set()


async def test_cancelled_reading_leaves_the_source(provider: KnownProvider, records: list[RawRecord]) -> None:
    source = EndlessSource(records[0])
    reader = TrailReader(source, provider=provider)
    entries = aiter(reader)
    assert isinstance(await anext(entries), OpenedEvent)  # without waiting for a second record

    step = asyncio.ensure_future(anext(entries))
    assert await asyncio.to_thread(source.is_waiting.wait, PATIENCE)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step

    assert source.has_ended  # the thread has left it before the caller goes on


def test_closing_ends_the_thread_that_follows(provider: KnownProvider, records: list[RawRecord]) -> None:
    source = EndlessSource(records[0])
    rules = ReadingRules(policy=TrustPolicy.of_keys([Signer().public]), proof_wait=0.01)
    reader = TrailReader(source, provider=provider, rules=rules)
    entries = iter(reader)

    opened = next(entries)
    assert isinstance(opened, OpenedEvent)
    assert opened.proven is Proven.PENDING
    reader.close()

    assert source.has_ended


class GroupedRecords:
    """Records that are read for a group, and the offsets of those that were used."""

    has_group = True

    def __init__(self, records: list[RawRecord]) -> None:
        self._records = records
        self.used: list[int] = []

    def __iter__(self) -> Iterator[RawRecord]:
        return iter(self._records)

    def await_done(self) -> bool:
        return True

    def done(self, place: Place) -> None:
        self.used.append(place.offset)


def placed(records: list[RawRecord]) -> list[RawRecord]:
    return [record._replace(place=Place("topic", 0, offset)) for offset, record in enumerate(records)]


def test_group_is_told_what_was_used(provider: KnownProvider, records: list[RawRecord]) -> None:
    source = GroupedRecords(placed([records[0], records[0], records[1]._replace(value=b"x"), records[2], records[3]]))
    seen = []
    for entry in TrailReader(source, provider=provider):
        seen.append((entry.place.offset, list(source.used)))
        if len(seen) == 3:
            break

    # The second record is a copy of the first one: it is used as soon as it was left out.
    assert seen == [(0, []), (2, [0, 1]), (3, [0, 1, 2])]
    assert source.used == [0, 1, 2]


def test_group_is_told_nothing_ahead_of_coroutines(provider: KnownProvider, records: list[RawRecord]) -> None:
    source = GroupedRecords(placed(records))

    async def third() -> None:
        count = 0
        async for _ in TrailReader(source, provider=provider):
            count += 1
            if count == 3:
                break

    asyncio.run(third())
    assert source.used == [0, 1]


def test_group_waits_for_records_that_are_kept_back(provider: KnownProvider, records: list[RawRecord]) -> None:
    signer = Signer()
    source = GroupedRecords(placed(records))
    rules = ReadingRules(policy=TrustPolicy.of_keys([signer.public]))
    entries = iter(TrailReader(source, provider=provider, rules=rules))
    next(entries)

    assert source.used == []

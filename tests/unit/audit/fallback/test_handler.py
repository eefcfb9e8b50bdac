from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.audit.fallback.backlog import _SORTED, in_order, listed
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics import AuditMetrics
from telemetry.format.objects.fallback_object import StoredRecord, decode_object, encode_object
from telemetry.format.objects.stored_name import object_name
from tests.support.leftovers import records
from tests.support.memory_store import MemoryStore
from tests.support.until import until


@contextmanager
def handler_on(store: MemoryStore, *, most: int = 1 << 20, seconds: float = 60.0) -> Iterator[FallbackHandler]:
    ledger = Ledger(topic="t", metrics=AuditMetrics(topic="t"))
    handler = FallbackHandler(
        store, provider="memory", topic="t", ledger=ledger, max_object_bytes=most, max_object_seconds=seconds
    )
    try:
        yield handler
    finally:
        handler.close()


def test_an_object_stored_while_the_store_is_listed_is_not_taken_for_replayed() -> None:
    store, made = MemoryStore(), records(4)
    with handler_on(store) as handler:
        handler.add(made[:2], reason="unavailable")
        assert handler.flush(10)
        before = sorted(store.objects)

        def listing() -> Iterator[str]:
            handler.add(made[2:], reason="unavailable")
            assert handler.flush(10)
            yield from before

        handler.keep_only(listing())
        assert handler.backlog()[0] == 2
        handler.keep_only(name for name in sorted(store.objects) if name not in before)
        assert handler.backlog()[:2] == (1, 2)
        handler.keep_only(())
        assert handler.is_drained


def test_batches_are_merged_by_bytes_or_seconds_whichever_is_first() -> None:
    store, made = MemoryStore(), records(400, size=500)
    size = sum(record.size for record in made)
    with handler_on(store, most=size // 4) as handler:
        for record in made:
            handler.add([record], reason="unavailable")
        assert handler.flush(10)
    objects = [decode_object(data) for data in store.objects.values()]
    assert 4 <= len(objects) <= 6
    assert sum(found.header.count for found in objects) == 400

    by_time = MemoryStore()
    with handler_on(by_time, seconds=0.2) as handler:
        for record in made:
            handler.add([record], reason="unavailable")
        until(lambda: len(handler) == 0)
    assert len(by_time.objects) <= 3


def test_more_objects_than_are_sorted_at_a_time_come_in_order() -> None:
    store, made = MemoryStore(), records(1)
    data = encode_object(
        [StoredRecord(made[0].key, made[0].value, 0)], topic="t", producer=made[0].producer, reason="x"
    )
    count = _SORTED + 50
    for number in range(count):
        name = object_name(
            "t",
            created_uuid7=f"{number:08d}-0000-7000-8000-000000000000",
            day="2025/11/23",
            producer=made[0].producer,
            first=number,
            last=number,
        )
        store.objects[name] = data

    assert [found.parts.first for found in in_order(listed(store, "t"))] == list(range(count))

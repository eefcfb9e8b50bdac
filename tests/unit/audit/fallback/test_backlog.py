"""Waiting objects come oldest first, and each producer's in the order of its sequence."""

from __future__ import annotations

import uuid_utils

from telemetry.audit.fallback.backlog import _SORTED, in_order, listed
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import object_name
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore

TOPIC = "audit-events"


def test_oldest_object_comes_first() -> None:
    store = MemoryStore()
    names = [stored(store, records(1)) for _ in range(5)]

    assert [waiting.name for waiting in in_order(listed(store, TOPIC))] == names


def test_sequence_comes_before_the_time() -> None:
    store, own, other = MemoryStore(), records(9), records(2)
    late = stored(store, own[6:])
    middle = stored(store, other)
    # What was adopted from a spool is stored later than what came after it.
    early = stored(store, own[:6])

    assert [waiting.name for waiting in in_order(listed(store, TOPIC))] == [middle, early, late]


def test_checkpoints_alone_come_first() -> None:
    store, own = MemoryStore(), records(2)
    stored(store, own)
    producer = own[0].producer
    name = object_name(
        TOPIC, created_uuid7=str(uuid_utils.uuid7()), day="2025/11/23", producer=producer, first=None, last=None
    )
    store.objects[name] = b"not read here"

    waiting = list(in_order(listed(store, TOPIC)))

    assert [item.name == name for item in waiting] == [True, False]
    assert [item.events for item in waiting] == [0, 2]


def test_foreign_names_are_reported() -> None:
    store, foreign = MemoryStore(), list[str]()
    name = stored(store, records(3))
    store.objects[f"{TOPIC}/README.txt"] = b"x"

    (waiting,) = listed(store, TOPIC, on_foreign=foreign.append)

    assert (waiting.name, waiting.events, waiting.size) == (name, 3, len(store.objects[name]))
    assert foreign == [f"{TOPIC}/README.txt"]


def test_more_objects_than_are_sorted_together() -> None:
    store, batch = MemoryStore(), records(1)
    data = encode_object(
        [StoredRecord(batch[0].key, batch[0].value, 0)], topic="t", producer=batch[0].producer, reason="x"
    )
    count = _SORTED + 50
    for number in range(count):
        name = object_name(
            "t",
            created_uuid7=f"{number:08d}-0000-7000-8000-000000000000",
            day="2025/11/23",
            producer=batch[0].producer,
            first=number,
            last=number,
        )
        store.objects[name] = data

    assert [waiting.parts.first for waiting in in_order(listed(store, "t"))] == list(range(count))

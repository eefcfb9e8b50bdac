"""A store's objects are read oldest first, with the rejected ones, and a damaged one does not hide its records."""

from __future__ import annotations

import pytest

from telemetry.exceptions import FormatError
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.reader import DamagedRecord, FallbackSource, RawRecord
from tests.support.memory_store import MemoryStore

PRODUCER = "0198c0de-0000-7000-8000-000000000001"
NAME = f"audit-events/2026/01/31/0198c0de-1111-7222-8333-444455556666-{PRODUCER}-0-2.jsonl"
LATER = f"audit-events/2026/02/01/0198c0de-2222-7222-8333-444455556666-{PRODUCER}-3-3.jsonl"


def object_of(count: int, *, first: int = 0) -> bytes:
    records = [StoredRecord(b"key-%d" % n, b'{"n":"%d"}' % n, n) for n in range(first, first + count)]
    return encode_object(records, topic="audit-events", producer=PRODUCER, reason="unreachable")


def keys(source: FallbackSource) -> list[bytes | None]:
    return [record.key for record in source if isinstance(record, RawRecord)]


def test_objects_are_read_oldest_first() -> None:
    store = MemoryStore()
    store.put(LATER, object_of(1, first=3))
    store.put(NAME, object_of(3))
    records = list(FallbackSource(store, topic="audit-events"))
    assert [(record.place.name, record.place.offset) for record in records] == [
        *((NAME, line) for line in (2, 3, 4)),
        (LATER, 2),
    ]


def test_rejected_objects_are_read_if_asked_for() -> None:
    store = MemoryStore()
    store.put(f"rejected/{NAME}", object_of(3))
    store.put(LATER, object_of(1, first=3))
    assert keys(FallbackSource(store, topic="audit-events")) == [b"key-3", b"key-0", b"key-1", b"key-2"]
    assert keys(FallbackSource(store, topic="audit-events", rejected=False)) == [b"key-3"]


def test_other_names_and_topics_are_skipped() -> None:
    store = MemoryStore()
    store.put(NAME.replace("audit-events/", "other/"), object_of(3))
    store.put("audit-events/notes.txt", b"not an object")
    assert list(FallbackSource(store, topic="audit-events")) == []


def test_altered_stored_object_keeps_its_other_records() -> None:
    store = MemoryStore()
    store.put(NAME, object_of(3).replace(b"key-1", b"key-9") + b"rubbish\n")

    damaged, *rest = FallbackSource(store, topic="audit-events")

    assert isinstance(damaged, DamagedRecord)
    assert [record.key for record in rest if isinstance(record, RawRecord)] == [b"key-0", b"key-9", b"key-2"]
    assert isinstance(rest[-1], DamagedRecord)
    assert (rest[-1].place.name, rest[-1].place.offset) == (NAME, 5)


def test_object_is_read_alone_by_its_name() -> None:
    store = MemoryStore()
    store.put(NAME, object_of(3))
    store.put(LATER, object_of(1, first=3))
    source = FallbackSource(store, topic="audit-events")

    assert list(source.names()) == [NAME, LATER]
    assert [record.place.offset for record in source.object(LATER)] == [2]
    assert list(source.object(NAME.replace("-0-2", "-0-1"))) == []
    with pytest.raises(FormatError, match="is not the name of a fallback object"):
        source.object("../secret")

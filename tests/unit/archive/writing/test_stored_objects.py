"""Each fallback object is archived once, one that cannot be opened is tried again, and a start reads few seals."""

from __future__ import annotations

import time

import pytest

from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.writing.gathered_rows import GatheredRows
from telemetry.archive.writing.stored_objects import StoredObjects
from telemetry.format.archive.seal import Commit, SealKind
from telemetry.format.archive.seal_note import encode_seal
from telemetry.format.archive.succession import seal_after
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.reader import FallbackSource
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore
from tests.support.memory_store import MemoryStore
from tests.support.written_trail import Process, Signer

PRODUCER = "0198c0de-0000-7000-8000-000000000001"


def name(number: int) -> str:
    return f"audit-events/2025/08/19/0198c0de-{number:04x}-7222-8333-444455556666-{PRODUCER}-{number}-{number}.jsonl"


def put(store: MemoryStore, number: int) -> str:
    record = Process(number).log()
    data = encode_object(
        [StoredRecord(record.key or b"", record.value or b"", number)],
        topic="audit-events",
        producer=PRODUCER,
        reason="unreachable",
    )
    store.put(name(number), data)
    return name(number)


def rows(most: int = 1_000) -> GatheredRows:
    return GatheredRows(RowMaker(now=time.time), most_rows=most, most_bytes=1 << 30)


def seal(archive: SealStore, *objects: str, moment: str = "2026-01-31T12:00:00Z") -> int:
    """Commit objects; return the number of the seal."""
    state = fold(archive)
    sealed = seal_after(
        state,
        Commit(kind=SealKind.APPEND, objects=objects),
        time=moment,
        source="/production/telemetry-archiver",
        archive=PRODUCER,
    )
    archive.create(sealed.number, encode_seal(sealed, Signer()))
    return sealed.number


@pytest.fixture
def fallback() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def archive() -> SealStore:
    return SealStore(MemoryStore())


def objects_of(fallback: MemoryStore, archive: SealStore) -> StoredObjects:
    return StoredObjects(FallbackSource(fallback, topic="audit-events"), archive)


def test_object_is_archived_once(fallback: MemoryStore, archive: SealStore) -> None:
    names = [put(fallback, number) for number in (1, 2)]
    objects = objects_of(fallback, archive)

    gathered = rows()
    found = objects.gather(gathered, last=None)
    objects.committed(found.archived)

    assert (found.archived, gathered.count, found.is_last) == (names, 2, True)
    assert gathered.table().column("object").to_pylist() == names
    assert objects.gather(rows(), last=None).archived == []
    third = put(fallback, 3)
    assert objects.gather(rows(), last=None).archived == [third]


def test_start_finds_in_the_seals_what_is_archived(fallback: MemoryStore, archive: SealStore) -> None:
    names = [put(fallback, number) for number in (1, 2, 3)]
    seal(archive, names[0])
    seal(archive)
    last = seal(archive, names[2])

    assert objects_of(fallback, archive).gather(rows(), last=last).archived == [names[1]]


def test_start_reads_no_seal_older_than_the_objects(fallback: MemoryStore, archive: SealStore) -> None:
    for _ in range(20):
        seal(archive, moment="2025-01-31T12:00:00Z")
    put(fallback, 1)
    last = seal(archive)
    read: list[str] = []
    store = archive.store
    assert isinstance(store, MemoryStore)
    store.before = lambda operation, wanted: read.append(wanted) if operation == "get" else None

    assert objects_of(fallback, archive).gather(rows(), last=last).archived == [name(1)]
    assert len(read) == 2


def test_empty_store_reads_no_seal(fallback: MemoryStore, archive: SealStore) -> None:
    last = seal(archive)
    store = archive.store
    assert isinstance(store, MemoryStore)
    store.before = lambda operation, _name: pytest.fail(operation)

    assert objects_of(fallback, archive).gather(rows(), last=last).archived == []


def test_replayed_object_is_no_more_remembered(fallback: MemoryStore, archive: SealStore) -> None:
    objects = objects_of(fallback, archive)
    objects.committed(objects.gather(rows(), last=None).archived)
    archived = put(fallback, 1)
    objects.committed(objects.gather(rows(), last=None).archived)
    fallback.delete(archived)

    assert objects.gather(rows(), last=None).archived == []
    assert objects._archived == set()


def test_full_commit_leaves_the_rest(fallback: MemoryStore, archive: SealStore) -> None:
    names = [put(fallback, number) for number in range(1, 6)]
    objects = objects_of(fallback, archive)
    taken = []
    is_last = False
    while not is_last:
        found = objects.gather(rows(most=2), last=None)
        objects.committed(found.archived)
        taken.append(found.archived)
        is_last = found.is_last

    assert taken == [names[:2], names[2:4], names[4:]]


def test_damaged_object_is_archived_as_damaged(fallback: MemoryStore, archive: SealStore) -> None:
    put(fallback, 1)
    fallback.objects[name(1)] = fallback.objects[name(1)].replace(b'"payment"', b'"paymenT"') + b"rubbish\n"
    gathered = rows()

    found = objects_of(fallback, archive).gather(gathered, last=None)

    assert (found.archived, found.waiting) == ([name(1)], 0)
    kinds = gathered.table().column("kind").to_pylist()
    assert len(kinds) >= 2
    assert set(kinds) <= {"event", "damaged", "unreadable"}

"""What cannot be replayed is moved, never deleted, and what was rejected can come back."""

from __future__ import annotations

import logging

import pytest

from telemetry.audit.fallback.backlog import WaitingObject, listed
from telemetry.audit.replay.quarantine import Quarantine
from telemetry.exceptions import RecordTooLargeError, StorageLimitError, TransportAuthorizationError
from telemetry.format.objects.fallback_object import decode_object
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def quarantine(store: MemoryStore) -> Quarantine:
    return Quarantine(store, topic=TOPIC)


def _waiting(store: MemoryStore) -> WaitingObject:
    (waiting,) = listed(store, TOPIC)
    return waiting


def test_rejected_records_keep_their_bytes(store: MemoryStore, quarantine: Quarantine) -> None:
    batch = records(5)
    name = stored(store, batch)

    assert quarantine.reject(_waiting(store), batch[1:3], RecordTooLargeError("large")) == "too_large"

    rejected = decode_object(store.objects[f"rejected/{name.replace('-0-4.', '-1-2.')}"])
    assert [(r.key, r.value, r.sequence) for r in rejected.records] == [
        (r.key, r.value, r.sequence) for r in batch[1:3]
    ]
    assert name in store.objects, "the object itself is deleted by the caller, afterwards"


def test_rejecting_again_after_a_kill(store: MemoryStore, quarantine: Quarantine) -> None:
    batch = records(3)
    stored(store, batch)
    waiting = _waiting(store)
    quarantine.reject(waiting, batch, TransportAuthorizationError("no WRITE"))
    quarantine.reject(waiting, batch, RecordTooLargeError("large"))

    reasons = [
        decode_object(data).header.reason for name, data in store.objects.items() if name.startswith("rejected/")
    ]
    assert sorted(reasons) == ["authorization", "too_large"]


def test_quarantined_object_moves(store: MemoryStore, quarantine: Quarantine) -> None:
    store.objects[f"{TOPIC}/odd name"] = b"x"

    assert quarantine.quarantine(f"{TOPIC}/odd name", "foreign")

    ((name, data),) = store.objects.items()
    assert name.startswith("quarantine/")
    assert data == b"x"


def test_two_damaged_objects_of_one_name(store: MemoryStore, quarantine: Quarantine) -> None:
    for content in (b"one", b"two"):
        store.objects[f"{TOPIC}/a"] = content
        assert quarantine.quarantine(f"{TOPIC}/a", "damaged")

    assert sorted(store.objects.values()) == [b"one", b"two"]


def test_object_gone_meanwhile_counts_as_moved(store: MemoryStore, quarantine: Quarantine) -> None:
    assert quarantine.quarantine(f"{TOPIC}/gone", "damaged")
    assert store.objects == {}


def test_unmovable_object_stays_and_is_said_once(
    store: MemoryStore, quarantine: Quarantine, caplog: pytest.LogCaptureFixture
) -> None:
    store.objects[f"{TOPIC}/large"] = b"x"

    def refuse(operation: str, name: str) -> None:
        if operation == "put":
            raise StorageLimitError(name)

    store.before = refuse
    with caplog.at_level(logging.ERROR):
        assert not quarantine.quarantine(f"{TOPIC}/large", "damaged")
        assert not quarantine.quarantine(f"{TOPIC}/large", "damaged")

    assert len(caplog.messages) == 1
    assert store.objects == {f"{TOPIC}/large": b"x"}


def test_restored_objects_wait_again(store: MemoryStore, quarantine: Quarantine) -> None:
    batch = records(3)
    name = stored(store, batch)
    quarantine.reject(_waiting(store), batch, RecordTooLargeError("large"))
    store.delete(name)

    assert quarantine.restore() == 1

    assert list(store.objects) == [name]
    assert quarantine.restore() == 0


def test_damaged_rejected_object_stays(
    store: MemoryStore, quarantine: Quarantine, caplog: pytest.LogCaptureFixture
) -> None:
    batch = records(3)
    name = stored(store, batch)
    store.objects[f"rejected/{name}"] = store.objects.pop(name)[:-1]
    store.objects[f"rejected/{TOPIC}/README"] = b"x"

    with caplog.at_level(logging.ERROR):
        assert quarantine.restore() == 0

    assert len(store.objects) == len(caplog.messages) == 2


def test_restoring_again_after_a_kill(store: MemoryStore, quarantine: Quarantine) -> None:
    batch = records(3)
    name = stored(store, batch)
    quarantine.reject(_waiting(store), batch, RecordTooLargeError("large"))
    # Killed between the two steps: the object waits already, with another reason in its header.
    assert quarantine.restore() == 1

    assert len([waiting for waiting in store.objects if waiting.startswith(f"{TOPIC}/")]) == 2
    assert name in store.objects

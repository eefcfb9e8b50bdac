"""Unmarked objects are accepted until a date, or for 30 days after this version first worked on the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telemetry.audit.marks import unmarked
from telemetry.audit.marks.unmarked import ACCEPTED_SECONDS, UnmarkedTerm
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from tests.support.memory_store import MemoryStore

SECRETS = StorageSecrets([StorageSecret.of_bytes(b"1" * 32)])
NAME = "=sealed/first-seen/t.json"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(unmarked, "time", clock)
    return clock


def term(store: MemoryStore, *, secrets: StorageSecrets = SECRETS, until: datetime | None = None) -> UnmarkedTerm:
    return UnmarkedTerm(store, topic="t", secrets=secrets, until=until)


def test_first_sight_is_remembered_in_the_store(clock: Clock) -> None:
    store = MemoryStore()
    assert not term(store).is_over()
    clock.now += ACCEPTED_SECONDS - 1
    assert not term(store).is_over()
    clock.now += 2

    assert term(store).is_over()


@pytest.mark.parametrize("until", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)])  # noqa: DTZ001 - as in a file
def test_configured_date_decides_alone(until: datetime) -> None:
    store = MemoryStore()

    assert term(store, until=until).is_over()
    assert not term(store, until=until + timedelta(days=100 * 365)).is_over()
    assert store.objects == {}


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"first_seen":0,"mac":""}', b"x" * 100_000, b'{"first_seen":0,"mac":"\\ud800"}']
)
def test_forged_memory_is_not_believed(clock: Clock, content: bytes) -> None:
    store = MemoryStore(objects={NAME: content})

    assert not term(store).is_over()
    assert store.objects[NAME] != content


def test_memory_of_a_former_secret_is_believed(clock: Clock) -> None:
    store = MemoryStore()
    term(store).begin()
    clock.now += ACCEPTED_SECONDS + 1
    rotated = StorageSecrets([StorageSecret.of_bytes(b"2" * 32), *SECRETS])

    assert term(store, secrets=rotated).is_over()


def test_without_secret_no_time_in_the_future_is_believed(clock: Clock) -> None:
    store = MemoryStore(objects={NAME: b'{"first_seen":1e300,"mac":""}'})
    one = term(store, secrets=StorageSecrets())
    assert not one.is_over()
    clock.now += ACCEPTED_SECONDS + 1

    assert one.is_over()

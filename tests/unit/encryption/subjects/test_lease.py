from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.encryption.subjects.key_cache import KeyCache, SubjectName
from telemetry.encryption.subjects.lease import RENEWALS, Lease, LeaseClocks
from telemetry.encryption.subjects.store.rows import NewSubject, StoreKeyRow
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.exceptions import SubjectStoreError, SubjectTableError
from telemetry.format.value.subject.subject_key import SubjectKey
from tests.support.subject_stores import SOURCE, SubjectSite

_SECONDS = 300.0


class HandClock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Kept:
    """What was read from the store."""

    dropped = 0

    def drop(self) -> None:
        self.dropped += 1


class Process:
    """A lease, its clocks and its keys."""

    def __init__(self, store: SubjectStore) -> None:
        self.monotonic, self.wall = HandClock(1_000.0), HandClock(1.7e9)
        self.cache = KeyCache(100)
        self.lease = Lease(store, self.cache, seconds=_SECONDS, clocks=LeaseClocks(self.monotonic, self.wall))

    def keep(self, user_id: str, store: SubjectStore) -> SubjectKey:
        """Give a user a key, and keep it."""
        key = SubjectKey(user_id.encode().ljust(32, b"."), source=SOURCE)
        store.add([NewSubject(key.key_id, SOURCE, user_id.encode(), "store-1", b"sealed")])
        self.cache.put(SubjectName(SOURCE, user_id), key)
        return key


@pytest.fixture
def site(tmp_path: Path) -> SubjectSite:
    return SubjectSite.in_sqlite(tmp_path)


@pytest.fixture
def store(site: SubjectSite) -> Iterator[SubjectStore]:
    with site.open() as found:
        found.add_store_key(StoreKeyRow("store-1", SOURCE, b"wrapped", "local-key:1", "", 0))
        yield found


@pytest.fixture
def process(store: SubjectStore) -> Process:
    found = Process(store)
    found.lease.renew()
    return found


def test_lease_begins_with_its_renewal(store: SubjectStore) -> None:
    process = Process(store)
    assert not process.lease.is_valid

    process.lease.renew()

    assert process.lease.is_valid
    assert process.lease.due_in == _SECONDS / RENEWALS


@pytest.mark.parametrize("clock", ["monotonic", "wall"])
def test_lease_ends_by_either_clock(process: Process, clock: str) -> None:
    getattr(process, clock).now += _SECONDS

    assert not process.lease.is_valid
    assert process.lease.due_in == 0


def test_wall_clock_set_back_prolongs_nothing(process: Process) -> None:
    process.wall.now -= 10 * _SECONDS
    process.monotonic.now += _SECONDS

    assert not process.lease.is_valid


def test_slow_store_costs_lease_time(store: SubjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    process, renewed = Process(store), store.renew

    def slowly(*names: str, **values: float) -> bool:
        process.monotonic.now += _SECONDS
        return renewed(*names, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "renew", slowly)
    process.lease.renew()

    assert not process.lease.is_valid


def test_forgotten_key_is_dropped_before_that_is_confirmed(process: Process, store: SubjectStore) -> None:
    alice, bob = process.keep("alice", store), process.keep("bob", store)
    store.begin_forgetting([alice.key_id])

    assert process.cache.has(alice)
    assert store.destroy().destroyed == frozenset()
    assert process.lease.renew()
    assert not process.cache.has(alice)
    assert process.cache.has(bob)
    assert store.destroy().destroyed == {alice.key_id}


def test_lease_that_the_store_ended_drops_all_keys(process: Process, store: SubjectStore, site: SubjectSite) -> None:
    alice = process.keep("alice", store)
    site.execute("UPDATE telemetry_subject_holders SET expires_ms = 1")
    store.begin_forgetting([alice.key_id])
    store.destroy()
    bob = process.keep("bob", store)

    process.lease.renew()

    assert not process.cache.has(alice)
    assert not process.cache.has(bob)
    assert process.lease.is_valid


def test_store_that_was_set_back_drops_all_keys(process: Process, store: SubjectStore, site: SubjectSite) -> None:
    site.execute("UPDATE telemetry_subject_state SET epoch = 7")
    process.lease.renew()
    alice = process.keep("alice", store)
    site.execute("UPDATE telemetry_subject_state SET epoch = 3")

    process.lease.renew()

    assert not process.cache.has(alice)


def test_store_away_leaves_the_lease_as_it_was(process: Process, store: SubjectStore, site: SubjectSite) -> None:
    alice = process.keep("alice", store)
    site.execute("ALTER TABLE telemetry_subject_state RENAME TO gone")
    process.monotonic.now += _SECONDS / 2

    with pytest.raises(SubjectTableError):
        process.lease.renew()

    assert process.lease.is_valid
    assert process.cache.has(alice)
    process.monotonic.now += _SECONDS / 2
    assert not process.lease.is_valid


def test_end_lets_nobody_wait(process: Process, store: SubjectStore) -> None:
    alice = process.keep("alice", store)
    store.begin_forgetting([alice.key_id])

    process.lease.end()

    assert not process.lease.is_valid
    assert store.destroy().destroyed == {alice.key_id}


@pytest.mark.parametrize("is_recent", [True, False])
def test_restored_store_takes_all_keys(
    process: Process, store: SubjectStore, site: SubjectSite, is_recent: bool
) -> None:
    kept = Kept()
    process.lease = Lease(
        store,
        process.cache,
        seconds=_SECONDS,
        clocks=LeaseClocks(process.monotonic, process.wall),
        kept=kept,
    )
    process.lease.renew()
    alice = process.keep("alice", store)
    copy = site.execute("SELECT * FROM telemetry_subject_holders")
    process.lease.renew()
    assert process.cache.has(alice)

    # A copy of the store from before this renewal takes its place: the process is in it, under its name of then.
    site.execute("DELETE FROM telemetry_subject_holders")
    for row in copy:
        site.execute("INSERT INTO telemetry_subject_holders VALUES (?, ?, ?, ?)", *row)
    if not is_recent:
        site.execute("UPDATE telemetry_subject_holders SET expires_ms = 1")
    kept.dropped = 0
    process.lease.renew()

    assert not process.cache.has(alice)
    assert kept.dropped == 1


def test_renewal_whose_answer_was_lost_costs_no_key(
    process: Process, store: SubjectStore, site: SubjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, renewed = process.keep("alice", store), store.renew

    def unanswered(*names: str, **values: float) -> bool:
        renewed(*names, **values)  # type: ignore[arg-type]
        message = "the connection broke"
        raise SubjectStoreError(message)

    monkeypatch.setattr(store, "renew", unanswered)
    for _ in range(2):
        with pytest.raises(SubjectStoreError):
            process.lease.renew()
    monkeypatch.setattr(store, "renew", renewed)
    process.lease.renew()

    assert process.cache.has(alice)
    assert site.execute("SELECT count(*) FROM telemetry_subject_holders") == [(1,)]


def test_end_after_a_lost_answer_leaves_no_row(
    process: Process, store: SubjectStore, site: SubjectSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = store.renew

    def unanswered(*names: str, **values: float) -> bool:
        renewed(*names, **values)  # type: ignore[arg-type]
        message = "the connection broke"
        raise SubjectStoreError(message)

    monkeypatch.setattr(store, "renew", unanswered)
    with pytest.raises(SubjectStoreError):
        process.lease.renew()
    process.lease.end()

    assert site.execute("SELECT count(*) FROM telemetry_subject_holders") == [(0,)]

from __future__ import annotations

import threading

import pytest

from telemetry.encryption.subjects.store.rows import LookupRow, NewSubject, StoreKeyRow
from telemetry.encryption.subjects.store.store import MAX_BATCH, MAX_CHANGES, SubjectStore
from telemetry.exceptions import SubjectStoreError, SubjectTableError
from tests.support.subject_stores import SOURCE, SubjectSite

_STORE_KEY = StoreKeyRow("store-1", SOURCE, b"wrapped", "local-key:1", "", 0)
_LEASE = 60.0


def _subject(number: int, *, lookup: int | None = None, store_key_id: str = "store-1") -> NewSubject:
    return NewSubject(
        f"key-{number:05}", SOURCE, b"lookup-%d" % (lookup or number), store_key_id, b"sealed-%d" % number
    )


def _hold_lease(store: SubjectStore, holder: str, *, seen: int = 0, seconds: float = _LEASE) -> bool:
    return store.renew(holder, described="host:1", seen_epoch=seen, seconds=seconds)


@pytest.fixture(autouse=True)
def _store_key(store: SubjectStore) -> None:
    store.add_store_key(_STORE_KEY)


def test_added_subjects_are_found(store: SubjectStore) -> None:
    store.add([_subject(1), _subject(2)])

    by_lookup = store.of_lookups([b"lookup-2", b"lookup-9"])
    by_key = store.of_keys(["key-00001", "key-00009"])

    assert [(row.key_id, row.sealed, row.state) for row in by_lookup] == [("key-00002", b"sealed-2", "active")]
    assert [row.lookup for row in by_key] == [b"lookup-1"]
    assert by_key[0].created_ms is not None


def test_first_key_of_a_subject_wins(store: SubjectStore, site: SubjectSite) -> None:
    with site.open() as other:
        store.add([_subject(1, lookup=7)])
        other.add([_subject(2, lookup=7)])

        assert [row.key_id for row in other.of_lookups([b"lookup-7"])] == ["key-00001"]


def test_two_processes_agree_on_every_key(store: SubjectStore, site: SubjectSite) -> None:
    both = threading.Barrier(2)

    def add(numbers: range) -> None:
        with site.open() as own:
            own.check()
            both.wait(timeout=60)
            own.add([_subject(number, lookup=number % 50) for number in numbers])

    threads = [threading.Thread(target=add, args=(range(start, start + 50),)) for start in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    found = store.of_lookups([b"lookup-%d" % (number % 50) for number in range(100, 150) if number % 50])
    assert len(found) == len({row.lookup for row in found}) == 49


def test_whole_batch_is_one_call(store: SubjectStore) -> None:
    store.add([_subject(number) for number in range(1, MAX_BATCH + 1)])

    assert len(store.of_keys([f"key-{number:05}" for number in range(1, MAX_BATCH + 1)])) == MAX_BATCH


def test_nothing_asked_finds_nothing(store: SubjectStore) -> None:
    assert store.of_keys([]) == []
    assert store.of_lookups([]) == []


def test_marked_key_is_given_to_nobody(store: SubjectStore) -> None:
    store.add([_subject(1, lookup=7)])

    (marked,) = store.begin_forgetting(["key-00001"])
    store.add([_subject(2, lookup=7)])

    assert (marked.state, marked.sealed) == ("forgetting", b"sealed-1")
    found = {row.key_id: row.state for row in store.of_lookups([b"lookup-7"])}
    assert found == {"key-00001": "forgetting", "key-00002": "active"}


def test_destroyed_key_leaves_name_and_time(store: SubjectStore, site: SubjectSite) -> None:
    store.add([_subject(1)])
    store.begin_forgetting(["key-00001"])

    done = store.destroy(["key-00001"])

    assert done.destroyed == {"key-00001"}
    (left,) = site.execute("SELECT * FROM telemetry_subject_keys")
    key_id, source, *rest = left
    assert (key_id, source) == ("key-00001", SOURCE)
    *empty, epoch, forgetting_ms, forgotten_ms = rest
    assert empty == [None] * 5
    assert (epoch, forgetting_ms) == (1, None)
    assert forgotten_ms > 0
    assert store.of_lookups([b"lookup-1"]) == []


def test_unmarked_key_is_not_destroyed(store: SubjectStore) -> None:
    store.add([_subject(1)])

    assert store.destroy(["key-00001"]).destroyed == frozenset()
    assert store.destroy().destroyed == frozenset()


def test_holder_of_a_lease_is_waited_for(store: SubjectStore) -> None:
    store.add([_subject(1)])
    _hold_lease(store, "one")
    _hold_lease(store, "two")
    store.begin_forgetting(["key-00001"])
    _hold_lease(store, "one", seen=1)

    waiting = store.destroy()
    _hold_lease(store, "two", seen=1)
    done = store.destroy()

    assert (waiting.destroyed, [holder.holder_id for holder in waiting.waiting_for]) == (frozenset(), ["two"])
    assert 0 < waiting.waiting_for[0].expires_in <= _LEASE * 1.02 + 1
    assert (set(done.destroyed), done.waiting_for) == ({"key-00001"}, ())


def test_ended_lease_is_not_waited_for(store: SubjectStore, site: SubjectSite) -> None:
    store.add([_subject(1)])
    _hold_lease(store, "one")
    _hold_lease(store, "killed")
    store.begin_forgetting(["key-00001"])
    site.execute("UPDATE telemetry_subject_holders SET expires_ms = 1 WHERE holder_id = 'killed'")
    store.end_lease("one")

    assert store.destroy().destroyed == {"key-00001"}


def test_lease_that_ended_unseen_is_known(store: SubjectStore, site: SubjectSite) -> None:
    assert not _hold_lease(store, "one")
    assert _hold_lease(store, "one")
    site.execute("UPDATE telemetry_subject_holders SET expires_ms = 1")
    store.destroy()

    assert not _hold_lease(store, "one")


def test_later_forgetting_does_not_wait_for_itself(store: SubjectStore) -> None:
    store.add([_subject(1), _subject(2)])
    _hold_lease(store, "one")
    store.begin_forgetting(["key-00001"])
    _hold_lease(store, "one", seen=1)
    store.begin_forgetting(["key-00002"])

    done = store.destroy()

    assert done.destroyed == {"key-00001"}
    assert [holder.holder_id for holder in done.waiting_for] == ["one"]
    assert store.destroy(["key-00001"]).waiting_for == ()


def test_changes_name_what_was_forgotten(store: SubjectStore) -> None:
    store.add([_subject(1), _subject(2), _subject(3)])
    store.begin_forgetting(["key-00001"])
    store.destroy()
    store.begin_forgetting(["key-00002"])

    assert store.changes(0) == (2, frozenset({"key-00001", "key-00002"}), True)
    assert store.changes(1) == (2, frozenset({"key-00002"}), True)
    assert store.changes(2) == (2, frozenset(), True)
    store.destroy()
    assert store.changes(2) == (2, frozenset(), False)


def test_too_many_changes_are_not_listed(store: SubjectStore, site: SubjectSite) -> None:
    values = ", ".join(f"('key-{number}', '{SOURCE}', 1, 5)" for number in range(MAX_CHANGES + 1))
    site.execute(f"INSERT INTO telemetry_subject_keys (key_id, source, epoch, forgotten_ms) VALUES {values}")  # noqa: S608
    site.execute("UPDATE telemetry_subject_state SET epoch = 1")

    assert store.changes(0).key_ids is None
    assert store.changes(1).key_ids == frozenset()


def test_hold_refuses_to_forget(store: SubjectStore) -> None:
    store.add([_subject(1), _subject(2)])
    assert store.set_hold("key-00002", b"hold")

    rows = store.begin_forgetting(["key-00001", "key-00002"])

    assert {row.key_id: row.state for row in rows} == {"key-00001": "active", "key-00002": "active"}


def test_hold_stops_a_forgetting_that_has_begun(store: SubjectStore) -> None:
    store.add([_subject(1)])
    store.begin_forgetting(["key-00001"])
    store.set_hold("key-00001", b"hold")

    assert store.destroy().destroyed == frozenset()
    store.set_hold("key-00001", None)
    assert store.destroy().destroyed == {"key-00001"}
    assert not store.set_hold("key-00001", b"hold")


def test_rows_come_in_pages(store: SubjectStore) -> None:
    store.add([_subject(number) for number in range(1, 6)])
    store.begin_forgetting(["key-00002"])

    first = store.rows(after="", limit=3)
    rest = store.rows(after=first[-1].key_id, limit=3)

    assert [row.key_id for row in [*first, *rest]] == [f"key-{number:05}" for number in range(1, 6)]
    assert [row.key_id for row in store.rows(after="", limit=9, state="forgetting")] == ["key-00002"]


def test_counts(store: SubjectStore) -> None:
    store.add([_subject(number) for number in range(1, 6)])
    store.begin_forgetting(["key-00001"])
    store.destroy()
    store.begin_forgetting(["key-00002"])
    store.set_hold("key-00003", b"hold")
    _hold_lease(store, "one")

    assert store.counts() == (3, 1, 1, 1, 1)


def test_key_under_a_removed_store_key_is_refused(store: SubjectStore) -> None:
    assert store.remove_store_key("store-1")

    with pytest.raises(SubjectStoreError):
        store.add([_subject(1)])
    store.check()
    assert store.rows(after="", limit=1) == []


def test_store_key_in_use_stays(store: SubjectStore) -> None:
    store.add([_subject(1)])
    store.add_lookup(LookupRow(SOURCE, "store-1", b"sealed"))
    store.add_store_key(_STORE_KEY._replace(store_key_id="store-2"))

    assert not store.remove_store_key("store-1")
    store.reseal([("key-00001", "store-1", "store-2", b"other")])
    assert not store.remove_store_key("store-1")
    store.reseal_lookup(LookupRow(SOURCE, "store-2", b"other"), former_store_key_id="store-1")
    assert store.remove_store_key("store-1")
    assert store.of_keys(["key-00001"])[0].sealed == b"other"
    assert store.lookup(SOURCE) == (SOURCE, "store-2", b"other")


def test_destroyed_key_is_not_sealed_again(store: SubjectStore) -> None:
    store.add([_subject(1)])
    store.add_store_key(_STORE_KEY._replace(store_key_id="store-2"))
    assert [row.key_id for row in store.sealed_under("store-1", limit=9)] == ["key-00001"]
    store.begin_forgetting(["key-00001"])
    store.destroy()

    store.reseal([("key-00001", "store-1", "store-2", b"back")])

    assert store.of_keys(["key-00001"])[0].state == "forgotten"


def test_first_lookup_secret_wins(store: SubjectStore) -> None:
    first = store.add_lookup(LookupRow(SOURCE, "store-1", b"first"))

    assert store.add_lookup(LookupRow(SOURCE, "store-1", b"second")) == first
    assert store.lookup("/production/other") is None


def test_newest_store_key_is_first(store: SubjectStore, site: SubjectSite) -> None:
    site.execute("UPDATE telemetry_subject_store_keys SET created_ms = 5")
    store.add_store_key(_STORE_KEY._replace(store_key_id="store-2"))

    assert [row.store_key_id for row in store.store_keys(SOURCE)] == ["store-2", "store-1"]
    assert store.store_key("store-9") is None


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE telemetry_subject_keys SET sealed = NULL",
        "UPDATE telemetry_subject_keys SET lookup = NULL",
        "UPDATE telemetry_subject_keys SET forgotten_ms = 5",
    ],
)
def test_half_a_row_is_refused(store: SubjectStore, site: SubjectSite, change: str) -> None:
    store.add([_subject(1)])
    site.execute(change)

    with pytest.raises(SubjectTableError, match="it was altered"):
        store.of_keys(["key-00001"])


def test_huge_value_is_not_read(store: SubjectStore, site: SubjectSite) -> None:
    store.add([_subject(1)])
    site.execute("UPDATE telemetry_subject_keys SET sealed = ?", b"x" * (1 << 20))

    with pytest.raises(SubjectTableError, match="it was altered"):
        store.of_keys(["key-00001"])


def test_other_version_is_refused(store: SubjectStore, site: SubjectSite) -> None:
    site.execute("UPDATE telemetry_subject_state SET version = 2")

    with pytest.raises(SubjectTableError, match="another version"):
        store.check()


def test_absent_tables_are_named(site: SubjectSite) -> None:
    site.execute("DROP TABLE telemetry_subject_keys")
    with site.open() as store:
        if site.file is not None:
            store.check()  # a file of our own gets them again
            return
        with pytest.raises(SubjectTableError, match="telemetry subject init"):
            store.check()


def test_store_works_again_after_an_error(store: SubjectStore, site: SubjectSite) -> None:
    site.execute("ALTER TABLE telemetry_subject_state RENAME TO gone")
    with pytest.raises(SubjectTableError):
        store.check()
    site.execute("ALTER TABLE gone RENAME TO telemetry_subject_state")

    store.check()


def test_lease_of_a_wrong_clock_is_waited_for_an_hour_at_most(store: SubjectStore, site: SubjectSite) -> None:
    store.add([_subject(1)])
    _hold_lease(store, "lost")
    site.execute("UPDATE telemetry_subject_holders SET expires_ms = expires_ms + 315360000000")
    store.begin_forgetting(["key-00001"])

    done = store.destroy()

    assert done.destroyed == frozenset()
    assert [holder.expires_in <= 3_700 for holder in done.waiting_for] == [True]


def test_renamed_process_keeps_its_lease(store: SubjectStore) -> None:
    assert not store.renew("first", described="host:1", seen_epoch=0, seconds=60, renamed="second")
    assert store.renew("second", described="host:1", seen_epoch=0, seconds=60, renamed="third")

    # Its former name is that of a copy; the next one may have been written already.
    assert not store.renew("second", described="host:1", seen_epoch=0, seconds=60, renamed="fourth")
    assert store.renew("second", described="host:1", seen_epoch=0, seconds=60, renamed="third")

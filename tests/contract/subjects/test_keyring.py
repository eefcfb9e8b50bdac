from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.subjects.keyring import SubjectKeyring
from telemetry.encryption.subjects.opening import ForgottenSubject, UnknownSubject
from telemetry.exceptions import KeyServiceError, KeyUnreachableError, SubjectTableError
from telemetry.format.value.subject.subject_key import SubjectKey
from tests.support.subject_stores import SOURCE, SubjectSite
from tests.support.until import until

_PATIENCE = 60.0


@pytest.fixture
def keyring(site: SubjectSite, provider: EncryptionProvider) -> Iterator[SubjectKeyring]:
    found = site.keyring(provider, lease_seconds=10)
    yield found
    found.close()


def _taken(keyring: SubjectKeyring, user_id: str, *, source: str = SOURCE) -> SubjectKey:
    subjects = keyring.of(source)
    subjects.request([user_id]).result(_PATIENCE)
    key = subjects.take(user_id)
    assert key is not None
    return key


def test_key_is_fetched_once_and_kept(keyring: SubjectKeyring) -> None:
    assert keyring.of(SOURCE).take("alice") is None

    key = _taken(keyring, "alice")

    assert keyring.of(SOURCE).take("alice") is key
    assert keyring.of(SOURCE).still_holds(key)
    assert _taken(keyring, "bob").key_id != key.key_id


def test_processes_share_a_subjects_key(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    other = site.keyring(provider)
    users = [f"user-{number}" for number in range(200)]
    try:
        with ThreadPoolExecutor(2) as both:
            list(both.map(lambda one: one.of(SOURCE).request(users).result(_PATIENCE), (keyring, other)))

        for user in users:
            ours, theirs = keyring.of(SOURCE).take(user), other.of(SOURCE).take(user)
            assert ours is not None
            assert theirs is not None
            assert ours.key_id == theirs.key_id
    finally:
        other.close()


def test_services_do_not_share_a_subject(keyring: SubjectKeyring) -> None:
    ours, theirs = _taken(keyring, "1"), _taken(keyring, "1", source="/production/billing")

    assert ours.key_id != theirs.key_id
    assert (ours.source, theirs.source) == (SOURCE, "/production/billing")


def test_reader_opens_what_a_writer_sealed(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    key = _taken(keyring, "alice")
    sealed = key.cipher.encrypt(b"i" * 12, b"content", None)

    with site.reader(provider) as reader:
        assert reader.find("alice", source=SOURCE) == [key.key_id]
        assert reader.find("bob", source=SOURCE) == []
        assert reader.find("alice", source="/production/other") == []
        found = reader.open([key.key_id, "A" * 32])

    opened = found[key.key_id]
    assert isinstance(opened, SubjectKey)
    assert opened.cipher.decrypt(b"i" * 12, sealed, None) == b"content"
    assert found["A" * 32] == UnknownSubject("A" * 32)


def test_forgotten_subject_gets_another_key(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    key, bob = _taken(keyring, "alice"), _taken(keyring, "bob")
    with site.open() as store, site.reader(provider) as reader:
        store.begin_forgetting([key.key_id])

        # The keyring renews its lease after a second, drops the key, and destroys it itself, since no other process has it.
        until(lambda: not keyring.of(SOURCE).still_holds(key))
        assert keyring.of(SOURCE).take("alice") is None
        until(lambda: store.of_keys([key.key_id])[0].state == "forgotten")
        assert isinstance(reader.open([key.key_id])[key.key_id], ForgottenSubject)

    assert keyring.of(SOURCE).take("bob") is bob
    assert _taken(keyring, "alice").key_id != key.key_id


def test_key_is_not_destroyed_before_it_was_dropped(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    key = _taken(keyring, "alice")
    with site.open() as store:
        store.begin_forgetting([key.key_id])
        done = store.destroy([key.key_id])
        held = keyring.of(SOURCE).still_holds(key)

        assert not (held and done.destroyed)


def test_close_ends_the_lease(site: SubjectSite, provider: EncryptionProvider) -> None:
    keyring = site.keyring(provider)
    key = _taken(keyring, "alice")
    subjects = keyring.of(SOURCE)

    keyring.close()

    assert subjects.take("alice") is None
    assert not subjects.still_holds(key)
    with pytest.raises(KeyServiceError, match="shut down"):
        subjects.request(["alice"]).result(_PATIENCE)
    assert site.execute("SELECT count(*) FROM telemetry_subject_holders") == [(0,)]


def test_altered_row_costs_one_subject_its_key(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    alice, bob = _taken(keyring, "alice"), _taken(keyring, "bob")
    # The row of one has the seal of the other, as someone would write it to have one key destroyed with another.
    ((sealed,),) = site.execute("SELECT sealed FROM telemetry_subject_keys WHERE key_id = ?", bob.key_id)
    site.execute("UPDATE telemetry_subject_keys SET sealed = ? WHERE key_id = ?", sealed, alice.key_id)
    other = site.keyring(provider)
    try:
        with pytest.raises(SubjectTableError, match="it was altered"):
            other.of(SOURCE).request(["alice"]).result(_PATIENCE)
        assert _taken(other, "bob").key_id == bob.key_id
        with site.reader(provider) as reader:
            found = reader.open([alice.key_id, bob.key_id])
        assert isinstance(found[alice.key_id], UnknownSubject)
        assert isinstance(found[bob.key_id], SubjectKey)
    finally:
        other.close()


def test_unusable_user_id_fails_alone(keyring: SubjectKeyring) -> None:
    subjects = keyring.of(SOURCE)

    with pytest.raises(KeyServiceError, match="not Unicode text"):
        subjects.request(["\ud800"]).result(_PATIENCE)
    subjects.request(["\ud800", "alice"]).result(_PATIENCE)
    assert subjects.take("alice") is not None


def test_replaced_store_key_is_noticed(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    _taken(keyring, "alice")
    site.execute("DELETE FROM telemetry_subject_lookups")
    site.execute("DELETE FROM telemetry_subject_keys")
    site.execute("DELETE FROM telemetry_subject_store_keys")

    # The first attempt is refused by the store, the next one reads everything anew.
    def bob_has_a_key() -> bool:
        subjects = keyring.of(SOURCE)
        subjects.request(["bob"]).exception(_PATIENCE)
        return subjects.take("bob") is not None

    until(bob_has_a_key)


def test_key_service_away_is_asked_again(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = _taken(keyring, "alice")
    other, real = site.keyring(provider), provider.unwrap

    def away(*_values: object) -> bytes:
        message = "no answer"
        raise KeyUnreachableError(message)

    try:
        monkeypatch.setattr(provider, "unwrap", away)
        with pytest.raises(KeyUnreachableError, match="no answer"):
            other.of(SOURCE).request(["alice"]).result(_PATIENCE)
        assert isinstance(other.of(SOURCE).missing(), KeyUnreachableError)
        with site.reader(provider) as reader, pytest.raises(KeyUnreachableError):
            reader.open([alice.key_id])

        monkeypatch.setattr(provider, "unwrap", real)
        until(lambda: other.of(SOURCE).request(["alice"]).exception(_PATIENCE) is None)
        assert other.last_error is None
        assert _taken(other, "alice").key_id == alice.key_id
    finally:
        other.close()


def test_required_store_is_ready(site: SubjectSite, keyring: SubjectKeyring, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="telemetry.encryption"):
        keyring.require(SOURCE)

    assert ("on this host" in caplog.text) == (site.file is not None)
    assert len(site.execute("SELECT source FROM telemetry_subject_store_keys")) == 1


def _log_in_child(keyring: SubjectKeyring, key: SubjectKey) -> None:
    keyring.close()
    assert not keyring.of(SOURCE).still_holds(key)


def test_fork_leaves_the_parents_keyring_alone(keyring: SubjectKeyring) -> None:
    key = _taken(keyring, "alice")
    child = multiprocessing.get_context("fork").Process(target=_log_in_child, args=(keyring, key))

    child.start()
    child.join(_PATIENCE)

    assert child.exitcode == 0
    assert keyring.of(SOURCE).take("alice") is key
    assert _taken(keyring, "bob") is not None


def _holders(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return [name for (name,) in connection.execute("SELECT holder_id FROM telemetry_subject_holders")]


def test_restored_file_is_noticed_by_a_process_that_has_it_open(tmp_path: Path, provider: EncryptionProvider) -> None:
    site, copy = SubjectSite.in_sqlite(tmp_path), tmp_path / "copy.db"
    with closing(site.keyring(provider, lease_seconds=10)) as keyring:
        alice = _taken(keyring, "alice")
        with closing(sqlite3.connect(tmp_path / "subjects.db")) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        bob = _taken(keyring, "bob")
        (copied,) = _holders(copy)
        until(lambda: _holders(tmp_path / "subjects.db") != [copied], what="the lease was renewed")

        # The copy knows alice, and not bob; the process still has the file that was there before.
        copy.chmod(0o600)
        for left in ("subjects.db-wal", "subjects.db-shm"):
            (tmp_path / left).unlink()
        copy.replace(tmp_path / "subjects.db")

        until(lambda: not keyring.of(SOURCE).still_holds(bob))
        assert _taken(keyring, "alice").key_id == alice.key_id
        again = _taken(keyring, "bob")
        with site.reader(provider) as reader:
            assert reader.find("bob", source=SOURCE) == [again.key_id]
            assert isinstance(reader.open([again.key_id])[again.key_id], SubjectKey)
        # It is waited for in the store that is there now.
        with site.open() as store:
            store.begin_forgetting([again.key_id])
            until(lambda: store.of_keys([again.key_id])[0].state == "forgotten")
        assert not keyring.of(SOURCE).still_holds(again)


def test_store_key_that_does_not_open_costs_nobody_else(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    alice, bob = _taken(keyring, "alice"), _taken(keyring, "bob")
    # Who may add rows puts in a newest store key that no KEK wrapped, and has the row of one subject name it.
    site.execute(
        "INSERT INTO telemetry_subject_store_keys SELECT 'forged', source, sealed, key_uri, recipients, created_ms + 1 "
        "FROM telemetry_subject_store_keys JOIN telemetry_subject_lookups USING (source)"
    )
    site.execute("UPDATE telemetry_subject_keys SET store_key_id = 'forged' WHERE key_id = ?", alice.key_id)

    with closing(site.keyring(provider)) as other:
        other.of(SOURCE).request(["alice", "bob", "carol"]).result(_PATIENCE)
        assert _taken(other, "bob").key_id == bob.key_id
        assert other.of(SOURCE).take("carol") is not None
        assert other.of(SOURCE).take("alice") is None
    with site.reader(provider) as reader:
        found = reader.open([alice.key_id, bob.key_id])
    assert isinstance(found[alice.key_id], UnknownSubject)
    assert isinstance(found[bob.key_id], SubjectKey)

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys, subject_context
from telemetry.encryption.subjects.wrapping import LookupSecret, StoreKey
from telemetry.exceptions import KeyMismatchError, SubjectTableError
from tests.support.subject_stores import SOURCE, SubjectSite, local_provider


@pytest.fixture
def site(tmp_path: Path) -> SubjectSite:
    return SubjectSite.in_sqlite(tmp_path)


@pytest.fixture
def store(site: SubjectSite) -> Iterator[SubjectStore]:
    with site.open() as found:
        yield found


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[EncryptionProvider]:
    with local_provider(tmp_path) as found:
        yield found


@pytest.fixture
def calls(provider: EncryptionProvider, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the calls of the key service."""
    counted = Counter[str]()
    for name in ("generate_data_key", "unwrap"):
        real = getattr(provider, name)

        def counting(*values: Any, real: Any = real, name: str = name) -> Any:
            counted[name] += 1
            return real(*values)

        monkeypatch.setattr(provider, name, counting)
    return counted


def test_key_service_is_called_once_a_process(
    site: SubjectSite, provider: EncryptionProvider, calls: Counter[str]
) -> None:
    with closing(site.keyring(provider)) as first:
        first.of(SOURCE).request([f"user-{number}" for number in range(700)]).result(60)
        assert calls == {"generate_data_key": 1}
    with closing(site.keyring(provider)) as second:
        second.of(SOURCE).request([f"user-{number}" for number in range(900)]).result(60)
        assert calls == {"generate_data_key": 1, "unwrap": 1}


def test_old_store_key_is_replaced_and_still_opens(
    site: SubjectSite, store: SubjectStore, provider: EncryptionProvider
) -> None:
    with closing(site.keyring(provider)) as keyring:
        keyring.of(SOURCE).request(["alice"]).result(60)
        alice = keyring.of(SOURCE).take("alice")
    site.execute("UPDATE telemetry_subject_store_keys SET created_ms = 1")

    with closing(site.keyring(provider)) as keyring:
        keyring.of(SOURCE).request(["alice", "bob"]).result(60)
        again = keyring.of(SOURCE).take("alice")

    assert alice is not None
    assert again is not None
    assert again.key_id == alice.key_id
    assert len(store.store_keys(SOURCE)) == 2


def test_store_key_of_another_service_does_not_open(store: SubjectStore, provider: EncryptionProvider) -> None:
    key = StoreKeys(store, provider).current(SOURCE)
    row = store.store_key(key.store_key_id)
    assert row is not None
    store.add_store_key(row._replace(store_key_id="copied", source="/production/billing"))

    with pytest.raises(KeyMismatchError):
        StoreKeys(store, provider).open("copied")


def test_wrap_is_bound_to_its_purpose(store: SubjectStore, provider: EncryptionProvider) -> None:
    data_key = provider.generate_data_key({**subject_context(SOURCE), "purpose": "telemetry-audit"})
    key = StoreKeys(store, provider).current(SOURCE)
    row = store.store_key(key.store_key_id)
    assert row is not None
    store.add_store_key(row._replace(store_key_id="data-key", wrapped=data_key.wrapped))

    with pytest.raises(KeyMismatchError):
        StoreKeys(store, provider).open("data-key")


def test_kek_that_is_not_listed_is_not_asked(
    store: SubjectStore, provider: EncryptionProvider, calls: Counter[str]
) -> None:
    key = StoreKeys(store, provider).current(SOURCE)
    row = store.store_key(key.store_key_id)
    assert row is not None
    uri = "aws-kms://arn:aws:kms:eu-west-1:1:key/0"
    store.add_store_key(row._replace(store_key_id="foreign", key_uri=uri))

    with pytest.raises(KeyMismatchError, match="not listed"):
        StoreKeys(store, provider).open("foreign")
    assert calls["unwrap"] == 0


def test_absent_store_key_is_named(store: SubjectStore, provider: EncryptionProvider) -> None:
    with pytest.raises(SubjectTableError, match="store key gone is gone"):
        StoreKeys(store, provider).open("gone")


def test_rows_are_bound_to_user_source_and_key() -> None:
    key, other = (StoreKey(bytes([number]) * 32, store_key_id="store-1", source=SOURCE) for number in (1, 2))
    secret = LookupSecret(b"s" * 32, source=SOURCE)
    alice, bob = (key.new_subject(secret.lookup_of(user)) for user in ("alice", "bob"))

    def row(**changes: Any) -> Any:
        from telemetry.encryption.subjects.store.rows import SubjectRow  # noqa: PLC0415

        whole = SubjectRow(*alice, created_ms=1, hold=None, epoch=0, forgetting_ms=None, forgotten_ms=None)
        return whole._replace(**changes)

    assert key.open_subject(row()).key_id == alice.key_id
    for altered in (
        row(lookup=bob.lookup),
        row(sealed=bob.sealed),
        row(key_id=bob.key_id),
        row(source="/production/billing"),
        row(sealed=alice.sealed[:-1] + bytes([alice.sealed[-1] ^ 1])),
        row(sealed=b""),
        row(store_key_id="store-2"),
    ):
        with pytest.raises(SubjectTableError, match="it was altered"):
            key.open_subject(altered)
    with pytest.raises(SubjectTableError, match="it was altered"):
        other.open_subject(row())


def test_lookups_differ_by_user_and_source() -> None:
    ours, theirs = LookupSecret(b"s" * 32, source=SOURCE), LookupSecret(b"s" * 32, source="/production/billing")

    found = {ours.lookup_of("alice"), ours.lookup_of("bob"), theirs.lookup_of("alice"), ours.lookup_of("")}

    assert len(found) == 4


def test_hold_opens_for_its_key_alone() -> None:
    secret = LookupSecret(b"s" * 32, source=SOURCE)
    sealed = secret.seal_hold(b"case 1", key_id="a")

    assert secret.open_hold(sealed, key_id="a") == b"case 1"
    with pytest.raises(SubjectTableError):
        secret.open_hold(sealed, key_id="b")


def test_no_user_and_no_secret_is_said(
    site: SubjectSite, provider: EncryptionProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with closing(site.keyring(provider)) as keyring, site.reader(provider) as reader:
        keyring.of(SOURCE).request(["canary-user"]).result(60)
        key = keyring.of(SOURCE).take("canary-user")
        assert key is not None
        site.execute("UPDATE telemetry_subject_keys SET sealed = lookup")
        said = [repr(one) for one in (keyring, keyring.of(SOURCE), reader, key, *reader.open([key.key_id]).values())]
        keyring.of(SOURCE).request(["canary-\ud800"]).exception(60)

    assert "canary" not in caplog.text + " ".join(said)


def test_files_of_the_store_are_private(site: SubjectSite, provider: EncryptionProvider) -> None:
    assert site.file is not None
    with closing(site.keyring(provider)) as keyring:
        keyring.of(SOURCE).request(["alice"]).result(60)
        modes = {path.name: path.stat().st_mode & 0o777 for path in site.file.parent.glob("subjects.db*")}

    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


def test_file_that_others_may_write_is_refused(site: SubjectSite) -> None:
    assert site.file is not None
    site.file.chmod(0o666)

    with site.open() as store, pytest.raises(SubjectTableError, match="not believed"):
        store.check()


def test_rubbish_in_place_of_the_file_is_named(site: SubjectSite) -> None:
    assert site.file is not None
    site.file.write_bytes(b"no database" * 1_000)

    with site.open() as store, pytest.raises(SubjectTableError, match="SQLITE_NOTADB"):
        store.check()

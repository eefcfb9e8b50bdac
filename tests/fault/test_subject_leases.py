"""Processes that have keys of subjects are killed, stopped and cut off from the store, while the subjects are forgotten."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from telemetry.encryption import EncryptionProvider
from telemetry.encryption.subjects.register import SubjectRegister
from telemetry.encryption.subjects.store.store import SubjectStore
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.exceptions import SubjectStoreError
from tests.services.postgres import PostgresServer
from tests.support.disks import small_disk
from tests.support.subject_stores import SOURCE, SubjectSite, local_provider
from tests.support.until import until

_ROOT = Path(__file__).parents[2]
_WORKER = _ROOT / "tests" / "support" / "workers" / "subject_worker.py"
_LEASE = 10.0


class Holder:
    """A process that has keys.

    Args:
        site: Its store.
        folder: Folder of the key service's key.
    """

    def __init__(self, site: SubjectSite, folder: Path) -> None:
        command = [sys.executable, str(_WORKER), site.url, str(folder), str(_LEASE)]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT, env=environment
        )

    def ask(self, question: str) -> str:
        """Ask, and return the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.communicate(timeout=60)


@pytest.fixture
def site(tmp_path: Path) -> SubjectSite:
    return SubjectSite.in_sqlite(tmp_path)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[EncryptionProvider]:
    with local_provider(tmp_path) as found:
        yield found


@pytest.fixture
def store(site: SubjectSite) -> Iterator[SubjectStore]:
    with site.open() as found:
        yield found


@pytest.fixture
def holder(site: SubjectSite, tmp_path: Path, provider: EncryptionProvider) -> Iterator[Holder]:
    with closing(Holder(site, tmp_path)) as found:
        yield found


def test_killed_process_is_not_waited_for(holder: Holder, store: SubjectStore) -> None:
    key = holder.ask("take alice")
    holder.process.send_signal(signal.SIGKILL)
    holder.process.wait(60)
    store.begin_forgetting([key])

    at_once = store.destroy([key])

    assert at_once.destroyed == frozenset()
    assert [one.described.rpartition(":")[2] for one in at_once.waiting_for] == [str(holder.process.pid)]
    until(lambda: store.destroy([key]).destroyed == {key})


def test_stopped_process_seals_nothing_under_a_destroyed_key(holder: Holder, store: SubjectStore) -> None:
    key = holder.ask("take alice")
    assert holder.ask("holds alice") == "True"
    holder.process.send_signal(signal.SIGSTOP)
    store.begin_forgetting([key])
    until(lambda: store.destroy([key]).destroyed == {key})

    holder.process.send_signal(signal.SIGCONT)

    assert holder.ask("holds alice") == "False"
    again = holder.ask("take alice")
    assert store.of_keys([again])[0].state == "active"
    assert again != key


def test_process_that_ends_well_is_not_waited_for(holder: Holder, store: SubjectStore) -> None:
    key = holder.ask("take alice")
    holder.process.communicate(timeout=60)
    store.begin_forgetting([key])

    assert store.destroy([key]).destroyed == {key}


def test_store_away_ends_the_lease_and_no_process(own_postgres: PostgresServer, provider: EncryptionProvider) -> None:
    site = SubjectSite.in_postgres(own_postgres)
    with closing(site.keyring(provider, lease_seconds=_LEASE)) as keyring:
        subjects = keyring.of(SOURCE)
        subjects.request(["alice"]).result(60)
        key = subjects.take("alice")
        assert key is not None
        own_postgres.process.kill()

        failure = subjects.request(["bob"]).exception(60)

        assert isinstance(failure, SubjectStoreError)
        assert isinstance(subjects.missing(), SubjectStoreError)
        until(lambda: not keyring.has_lease, what="the lease ends")
        assert subjects.take("alice") is None
        assert not subjects.still_holds(key)
        assert keyring.is_withheld

        own_postgres.start()
        until(lambda: subjects.request(["alice", "bob"]).exception(60) is None)
        assert subjects.take("alice") is not None
        assert subjects.take("bob") is not None
        assert not keyring.is_withheld


def test_full_disk_refuses_new_subjects_alone(tmp_path: Path, provider: EncryptionProvider) -> None:
    with small_disk(tmp_path / "disk", size="1m") as disk:
        folder = disk.folder / "store"
        folder.mkdir(mode=0o700)
        site = SubjectSite.in_sqlite(folder)
        with closing(site.keyring(provider, lease_seconds=300)) as keyring:
            subjects = keyring.of(SOURCE)
            subjects.request(["alice"]).result(60)
            alice = subjects.take("alice")
            _fill(disk.folder / "ballast")

            failure = subjects.request([f"user-{number}" for number in range(400)]).exception(60)

            assert isinstance(failure, SubjectStoreError)
            assert subjects.take("alice") is alice
            disk.remount("size=8m")
            until(lambda: subjects.request(["bob"]).exception(60) is None)
            assert subjects.take("bob") is not None


def test_forgetting_and_rewrapping_under_load_lose_no_key(
    site: SubjectSite, store: SubjectStore, provider: EncryptionProvider
) -> None:
    stopping, errors = threading.Event(), list[BaseException]()
    users = [f"user-{number}" for number in range(40)]

    def repeatedly(act: Callable[[], object]) -> None:
        while not stopping.is_set():
            try:
                act()
            except SubjectStoreError as exc:
                # A store key that another one has just replaced, or a busy file: the next attempt decides.
                if not exc.retriable:
                    errors.append(exc)
            except BaseException as exc:  # noqa: BLE001 - shown by the test
                errors.append(exc)

    with ExitStack() as stack:
        keyrings = [stack.enter_context(closing(site.keyring(provider, lease_seconds=_LEASE))) for _ in range(2)]
        registers = [stack.enter_context(_register(site, provider)) for _ in range(3)]
        forgetter, *rewrappers = registers

        def forget() -> None:
            rows = forgetter.of_user(users[0], sources=[SOURCE])
            forgetter.begin_forgetting(rows)
            forgetter.destroy([row.key_id for row in rows])

        work: list[Callable[[], object]] = [
            *(lambda ring=ring: ring.of(SOURCE).request(users).exception(60) for ring in keyrings),
            *(lambda one=one: one.rewrap(SOURCE) for one in rewrappers),
            forget,
        ]
        threads = [threading.Thread(target=repeatedly, args=(act,)) for act in work]
        for thread in threads:
            thread.start()
        until(lambda: errors or store.counts().forgotten >= 3, what="a few are forgotten")
        stopping.set()
        for thread in threads:
            thread.join(60)
    assert errors == []
    with site.reader(provider) as reader:
        found = reader.open([row.key_id for row in store.rows(after="", limit=500)])
        assert {type(one).__name__ for one in found.values()} <= {"SubjectKey", "ForgottenSubject"}
        assert all(len(reader.find(user, source=SOURCE)) >= 1 for user in users[1:])


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 14))


def _register(site: SubjectSite, provider: EncryptionProvider) -> SubjectRegister:
    store = site.open()
    return SubjectRegister(store, StoreKeys(store, provider))

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.providers import local_key
from telemetry.encryption.subjects.keyring import SubjectKeyring
from telemetry.encryption.subjects.register import SubjectRegister
from telemetry.encryption.subjects.store_keys import StoreKeys
from telemetry.exceptions import SubjectTableError
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.sync import Telemetry
from tests.cli.test_main_job import Trail
from tests.services.kafka import KafkaBroker
from tests.services.postgres import PostgresServer
from tests.support.subject_stores import SubjectSite
from tests.support.until import until

pytestmark = pytest.mark.services

both_stores = pytest.mark.parametrize("site", ["sqlite", "postgresql"], indirect=True)

_SOURCE, _BILLING = "/production/trail", "/production/billing"


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> SubjectSite:
    # The contract suite runs on both; here a few tests do.
    if getattr(request, "param", "sqlite") == "sqlite":
        return SubjectSite.in_sqlite(tmp_path)
    return SubjectSite.in_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def trail(kafka: KafkaBroker, topic: str, tmp_path: Path, site: SubjectSite) -> Trail:
    return _trail(kafka, topic, tmp_path, site.url)


@pytest.fixture
def provider(trail: Trail) -> Iterator[EncryptionProvider]:
    config = TelemetryConfig.load(trail.config)
    assert config.audit_config.encryption_config is not None
    with EncryptionProviderFactory.create(config.audit_config.encryption_config) as found:
        yield found


@pytest.fixture
def keyring(site: SubjectSite, provider: EncryptionProvider) -> Iterator[SubjectKeyring]:
    """A process that logs, and looks at the store every second."""
    found = site.keyring(provider, lease_seconds=10)
    yield found
    found.close()


def _trail(kafka: KafkaBroker, topic: str, folder: Path, url: str) -> Trail:
    local_key.create(folder / "key", "correct horse")
    trail = Trail(folder, kafka, topic)
    trail.tables["subject_keys"] = {"store": url}
    trail.configure(key_mode="hmac", key_hmac_secret="k" * 32)
    return trail


def _key(keyring: SubjectKeyring, user: str, *, source: str = _SOURCE) -> SubjectKey:
    keyring.of(source).request([user]).result(60)
    key = keyring.of(source).take(user)
    assert key is not None
    return key


def _states(trail: Trail) -> dict[str, str]:
    code, out, err = trail.run("subject list", "--json")
    assert code == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    return {row["key"]: row["state"] for row in rows}


@both_stores
def test_forgotten_user_is_gone_and_recorded(trail: Trail, keyring: SubjectKeyring, site: SubjectSite) -> None:
    alice, bob = _key(keyring, "alice"), _key(keyring, "bob")

    code, out, err = trail.run("subject forget alice", "--yes", "--json", "--as", "dpo", "--reason", "request 77")

    assert code == 0, err
    assert json.loads(out)["destroyed"] == [alice.key_id]
    assert _states(trail) == {alice.key_id: "forgotten", bob.key_id: "active"}
    # The process that had the key dropped it before it was destroyed, and logs on under another one.
    assert not keyring.of(_SOURCE).still_holds(alice)
    assert _key(keyring, "alice").key_id != alice.key_id
    assert "alice" not in str(site.execute("SELECT * FROM telemetry_subject_keys"))
    (event,) = [event for event in trail.tail() if event["event_type"] == "telemetry.forgotten"]
    assert event["payload"]["subject_keys"] == [alice.key_id]
    assert (event["user_id"], event["payload"]["reason"]) == ("dpo", "request 77")
    assert "alice" not in json.dumps(event)


def test_unknown_user_changes_nothing(trail: Trail, keyring: SubjectKeyring) -> None:
    alice = _key(keyring, "alice")

    code, _, err = trail.run("subject forget Alice", "--yes")

    assert (code, "Nothing was changed" in err) == (4, True)
    assert _states(trail) == {alice.key_id: "active"}


def test_forgetting_is_confirmed(trail: Trail, keyring: SubjectKeyring) -> None:
    alice = _key(keyring, "alice")

    code, _, err = trail.run("subject forget alice")

    assert (code, "--yes" in err) == (2, True)
    assert _states(trail) == {alice.key_id: "active"}


def test_other_services_are_named(trail: Trail, keyring: SubjectKeyring) -> None:
    ours, theirs = _key(keyring, "alice"), _key(keyring, "alice", source=_BILLING)

    assert trail.run("subject forget alice", "--yes", "--no-wait").code == 0
    assert _states(trail)[theirs.key_id] == "active"
    assert trail.run("subject forget alice", "--yes", "--service", "billing").code == 0
    assert _states(trail)[theirs.key_id] == "forgotten"
    until(lambda: _states(trail)[ours.key_id] == "forgotten")


def test_all_services_forget_users_of_a_list(trail: Trail, keyring: SubjectKeyring) -> None:
    users = ["alice", "bob", "carol"]
    keys = [_key(keyring, user, source=source).key_id for user in users for source in (_SOURCE, _BILLING)]

    ended = trail.run("subject forget -", "--all-services", "--yes", "--json", stdin=b"alice\nbob\n\n")

    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["destroyed"] == sorted(keys[:4])
    assert [key for key, state in _states(trail).items() if state == "active"] == sorted(keys[4:])


def test_live_process_is_waited_for(trail: Trail, site: SubjectSite, provider: EncryptionProvider) -> None:
    with closing(site.keyring(provider, lease_seconds=3_600)) as idle:
        alice = _key(idle, "alice")

        code, out, err = trail.run("subject forget alice", "--yes", "--no-wait", "--json")

        assert code == 0, err
        assert json.loads(out)["pending"] == [alice.key_id]
        # It renews its lease in six minutes: until then it may seal under the key, and the key is there for what it seals.
        assert idle.of(_SOURCE).still_holds(alice)
        assert _states(trail) == {alice.key_id: "forgetting"}
        assert trail.run("subject show alice").code == 0
    code, out, err = trail.run("subject forget --pending", "--json")

    assert code == 0, err
    assert json.loads(out)["destroyed"] == [alice.key_id]
    assert _states(trail) == {alice.key_id: "forgotten"}


def test_interrupted_forgetting_is_finished_by_the_next(
    trail: Trail, site: SubjectSite, provider: EncryptionProvider
) -> None:
    with closing(site.keyring(provider, lease_seconds=3_600)) as idle:
        alice = _key(idle, "alice")
        process = trail.start("subject forget alice", "--yes")
        try:
            until(lambda: _states(trail) == {alice.key_id: "forgetting"})
        finally:
            process.kill()
            process.communicate(timeout=60)
        assert _states(trail) == {alice.key_id: "forgetting"}
    assert trail.run("subject forget alice", "--yes").code == 0

    assert _states(trail) == {alice.key_id: "forgotten"}


@both_stores
def test_legal_hold_refuses(trail: Trail, keyring: SubjectKeyring) -> None:
    alice, bob = _key(keyring, "alice"), _key(keyring, "bob")
    reason = "case 4711 of the city"

    code, out, err = trail.run("subject hold alice", "--reason", reason, "--as", "counsel", "--json")
    assert code == 0, err
    hold = json.loads(out)["hold"]
    code, _, err = trail.run("subject forget alice bob", "--yes")

    assert code == 7
    assert hold in err
    assert "counsel" in err
    assert reason not in err
    assert _states(trail) == {alice.key_id: "active", bob.key_id: "active"}
    shown = json.loads(trail.run("subject show alice", "--json").out)
    assert (shown["hold"]["id"], shown["hold"]["reason"]) == (hold, reason)
    assert trail.run("subject release alice", "--reason", "closed").code == 0
    assert trail.run("subject release alice").code == 4
    assert trail.run("subject forget alice", "--yes").code == 0
    assert [event["event_type"] for event in trail.tail() if "subject_keys" in (event["payload"] or {})] == [
        "telemetry.held",
        "telemetry.released",
        "telemetry.forgotten",
    ]


def test_hold_comes_before_the_first_event(trail: Trail, keyring: SubjectKeyring) -> None:
    assert trail.run("subject hold dave", "--reason", "case 1").code == 0
    key = _key(keyring, "dave")

    assert trail.run("subject forget dave", "--yes").code == 7
    assert _states(trail) == {key.key_id: "active"}


def test_key_alone_names_a_subject(trail: Trail, keyring: SubjectKeyring) -> None:
    alice = _key(keyring, "alice")

    assert trail.run("subject forget", "--subject-key", alice.key_id, "--yes").code == 0
    assert trail.run("subject forget", "--subject-key", alice.key_id, "--yes").code == 4
    code, out, _ = trail.run("subject show", "--subject-key", alice.key_id)
    assert (code, alice.key_id in out.decode()) == (0, True)


@both_stores
def test_rewrap_survives_a_process_that_logs(trail: Trail, keyring: SubjectKeyring, site: SubjectSite) -> None:
    keys = {user: _key(keyring, user).key_id for user in ("alice", "bob")}
    before = site.execute("SELECT store_key_id FROM telemetry_subject_store_keys")

    code, out, err = trail.run("subject rewrap", "--json")

    assert code == 0, err
    done = json.loads(out)
    assert (done["keys"], done["removed"], done["kept"]) == (2, 1, 0)
    assert site.execute("SELECT store_key_id FROM telemetry_subject_store_keys") != before
    assert {user: _key(keyring, user).key_id for user in keys} == keys
    until(lambda: _can_get(keyring, "carol"))
    assert len(_states(trail)) == 3


def _can_get(keyring: SubjectKeyring, user: str) -> bool:
    keyring.of(_SOURCE).request([user]).exception(60)
    return keyring.of(_SOURCE).take(user) is not None


def test_tables_are_created_on_request(
    kafka: KafkaBroker, topic: str, tmp_path: Path, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    trail = _trail(kafka, topic, tmp_path, url)

    assert trail.run("subject list").code == 5
    assert trail.run("subject init").code == 0
    assert trail.run("subject list").code == 0
    printed = trail.run("subject init", "--print", "postgresql").out
    with psycopg.connect(postgres.new_database(), autocommit=True) as connection:
        connection.execute(printed)
        assert connection.execute("SELECT version FROM telemetry_subject_state").fetchall() == [(1,)]


def test_absent_section_is_named(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    trail: Any = _trail(kafka, topic, tmp_path, "sqlite:////nowhere/subjects.db")
    del trail.tables["subject_keys"]
    trail.configure()

    code, _, err = trail.run("subject list")

    assert (code, "subject_keys" in err) == (2, True)


def test_misspelled_user_among_others_is_told(trail: Trail, keyring: SubjectKeyring) -> None:
    alice, bob = _key(keyring, "alice"), _key(keyring, "bob")

    ended = trail.run("subject forget -", "--yes", "--json", stdin=b"alice\nBob\n")

    assert ended.code == 4
    assert json.loads(ended.out)["destroyed"] == [alice.key_id]
    assert "number 2" in ended.err
    assert "Bob" not in ended.err
    assert _states(trail) == {alice.key_id: "forgotten", bob.key_id: "active"}


def test_events_without_a_user_are_not_one_person(trail: Trail, keyring: SubjectKeyring) -> None:
    nobody = _key(keyring, "anonymous")

    ended = trail.run("subject forget anonymous", "--yes")

    assert (ended.code, "without a user" in ended.err) == (2, True)
    assert _states(trail) == {nobody.key_id: "active"}
    assert trail.run("subject forget", "--subject-key", nobody.key_id, "--yes").code == 0


@pytest.mark.parametrize("user", ["u" * 2_000, "tab\tbed"], ids=["long", "odd"])
def test_user_id_that_was_adjusted_is_found(trail: Trail, keyring: SubjectKeyring, user: str) -> None:
    with Telemetry(TelemetryConfig.load(trail.config)) as telemetry:
        telemetry.audit.log("order.paid", {}, user, wait_for="delivered")
    (logged,) = _states(trail)
    shown = {event["user_id"] for event in trail.tail() if event["event_type"] == "order.paid"}

    assert shown
    assert user not in shown
    assert trail.run("subject show", *shown).code == 0
    assert trail.run("subject forget -", "--yes", stdin=user.encode()).code == 0
    assert _states(trail) == {logged: "forgotten"}


def test_hold_that_comes_too_late_says_so(
    site: SubjectSite, keyring: SubjectKeyring, provider: EncryptionProvider
) -> None:
    keys = [_key(keyring, user).key_id for user in ("alice", "bob")]
    with site.open() as store, SubjectRegister(store, StoreKeys(store, provider)) as register:
        rows = register.of_keys(keys)
        # Between the look at the keys and the hold, one of them is destroyed.
        register.begin_forgetting([row for row in rows if row.key_id == keys[0]])
        until(lambda: register.of_keys([keys[0]])[0].state == "forgotten")

        with pytest.raises(SubjectTableError, match="too late"):
            register.hold(rows, by="counsel", reason="case 1")

        assert [row.hold is None for row in register.of_keys([keys[1]])] == [False]

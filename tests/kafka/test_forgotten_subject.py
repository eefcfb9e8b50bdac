"""A person is forgotten: with every key and every byte of the trail nothing of them is found, and all proofs hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from tests.services.kafka import KafkaBroker
from tests.support.forgotten_site import PASSPHRASE, Attacker, ForgottenSite, log
from tests.support.quick_telemetry import NOWHERE
from tests.support.subject_stores import SubjectSite

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ADA, BOB, EVE = "ada-canary-1815", "bob-canary-1900", "eve-canary-1984"
AWAY = {"kafka_brokers": NOWHERE, "kafka_timeout_ms": 100, "max_retries": 0}


@pytest.fixture
def site(kafka: KafkaBroker, topic: str, tmp_path: Path) -> ForgottenSite:
    return ForgottenSite(kafka.bootstrap("PLAINTEXT"), topic, tmp_path, subjects=SubjectSite.in_sqlite(tmp_path))


def test_nothing_is_found_and_everything_is_proven(site: ForgottenSite) -> None:
    telemetry = Telemetry(site.config())
    telemetry.start()
    try:
        # 1. Events on the topic, in an object of the fallback store, and in the spool of a process that has ended.
        before = {user: log(telemetry, user, "before") for user in (ADA, BOB, EVE)}
        with Telemetry(site.config(**AWAY)) as stored:
            kept = {user: log(stored, user, "stored") for user in (ADA, BOB, EVE)}
        spooled = site.log_and_die((ADA, BOB, EVE))
        telemetry.audit.log("flush", {}, BOB, wait_for="delivered")
        records, files = site.records(), site.files()
        assert len(files) >= 2

        # 2. Before, anyone with the keys finds everybody: the attacker works.
        known = Attacker(site, records, files)
        for user in (ADA, BOB, EVE):
            assert known.finds(user)
            assert known.reads(f"payload-of-{user}")

        # 3. The process that logs goes on meanwhile; it holds the key.
        site.forget(ADA)

        # 4. Now the same copies, and what was recorded of the forgetting, say nothing of her, and all of the others.
        attacker = Attacker(site, [*records, *site.records()], files)
        assert attacker.finds(ADA) == []
        assert not attacker.reads(f"of-{ADA}")
        assert attacker.finds(BOB)
        assert attacker.reads(f"payload-of-{EVE}")

        # 5. The process logs on: nobody's events become unreadable, and she is a new subject.
        after = {user: log(telemetry, user, "after") for user in (ADA, BOB, EVE)}
    finally:
        telemetry.shutdown(60)

    # 6. What was stored and spooled reaches the topic.
    for more in ({}, {"spool_path": str(site.folder / "spool")}):
        with Telemetry(site.config(**more)) as replaying:
            replaying.audit.log("flush", {}, EVE, wait_for="delivered")
    assert site.run("fallback", "replay").code == 0
    events = site.events()
    assert {*before.values(), *kept.values(), *spooled.values(), *after.values()} <= set(events)
    forgotten = {before[ADA], kept[ADA], spooled[ADA]}
    assert {event_id for event_id, event in events.items() if event.get("subject", {}).get("forgotten")} == forgotten
    for event_id, event in events.items():
        assert event["proven"] == "yes"
        if event_id in forgotten:
            assert (event["user_id"], event["payload"]) == ("forgotten", None)
    assert events[after[ADA]]["payload"] == {"name": f"payload-of-{ADA}"}
    assert events[before[BOB]]["session_id"] == f"session_id-of-{BOB}"

    # 7. Verification needs none of it, and each forgotten event is still proven to be in the trail.
    nothing = {"subject_keys": None, "encryption_config": None, "encryption_enabled": False}
    verified = site.run("verify", "--public-key", site.signing.public_key, "--json", **nothing)
    assert (verified.code, json.loads(verified.out)["verdict"]) == (0, "complete"), verified.err
    proof = str(site.folder / "proof.json")
    proven = site.run("prove", before[ADA], "--public-key", site.signing.public_key, "--out", proof, **nothing)
    assert proven.code == 0, proven.err
    traced = site.run("lineage", before[ADA], "--open", "--json", "--public-key", site.signing.public_key)
    assert traced.code == 0, traced.err
    assert json.loads(traced.out)["records"][0]["event"]["subject"]["forgotten"] is True


def test_readers_show_it_and_old_packs_hold(site: ForgottenSite) -> None:
    with Telemetry(site.config()) as telemetry:
        event_id = log(telemetry, ADA, "before", wait_for="delivered")
        log(telemetry, BOB, "before", wait_for="delivered")
    auditor = SigningKey.create(site.folder / "auditor", PASSPHRASE, name="auditor")
    (site.folder / "passphrase").write_text(PASSPHRASE)
    (site.folder / "passphrase").chmod(0o600)

    def pack(name: str) -> Path:
        file = site.folder / name
        ended = site.run(
            *("evidence", "--out", str(file), "--public-key", site.signing.public_key, "--type", "order.*"),
            *(
                "--auditor-key",
                str(site.folder / "auditor"),
                "--auditor-passphrase-file",
                str(site.folder / "passphrase"),
            ),
        )
        assert ended.code == 0, ended.err
        return file

    def checked(file: Path, *options: str) -> str:
        keys = ("--public-key", site.signing.public_key, "--auditor", auditor.public_key)
        ended = site.run("verify-evidence", str(file), *keys, "--json", *options)
        assert ended.code == 0, ended.out
        return ended.out.decode()

    old = pack("old.zip")
    assert "2 opened and compared" in checked(old, "--open")
    site.forget(ADA)

    # 1. A pack of before is still genuine, and says what can no longer be compared; one of now has no content of hers.
    assert "1 opened and compared" in checked(old, "--open")
    assert "the subject was forgotten since" in checked(old, "--open")
    assert "2 attested" in checked(old)
    new = pack("new.zip")
    assert "2 opened and compared" in checked(new, "--open")
    assert ADA.encode() not in new.read_bytes()
    assert BOB.encode() in new.read_bytes()

    # 2. Every schema and every form shows it.
    for schema in ("event", "cloudevents", "ocsf", "cadf", "ecs"):
        ended = site.run("export", "--schema", schema, "--type", "order.*")
        assert ended.code == 0, ended.err
        assert ADA.encode() not in ended.out
        assert b'"forgotten"' in ended.out
        assert "forgotten: 1" in ended.err or "1 forgotten" in ended.err, ended.err
    table = site.folder / "events.parquet"
    assert site.run("export", "--format", "parquet", "--out", str(table)).code == 0
    shown = site.run("tail", "--type", "order.*")
    assert "(forgotten: the key of its subject was destroyed)" in shown.out.decode()
    assert site.run("tail", "--user", ADA, "--json").out == b""
    traced = site.run("lineage", event_id, "--open", "--public-key", site.signing.public_key)
    assert traced.code == 0, traced.err

"""A person is forgotten in an archive too: nothing of them is found in its bytes, holds stop it, and all proofs hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from tests.services.kafka import KafkaBroker
from tests.support.forgotten_archive import everything_in, records_in
from tests.support.forgotten_site import PASSPHRASE, Attacker, ForgottenSite, log
from tests.support.in_process import Ended
from tests.support.subject_stores import SubjectSite

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

ADA, BOB, NEW = "ada-canary-1815", "bob-canary-1900", "new-canary-2001"
SHOP = ("--service", "shop")
REQUEST = ("--request", "DSR-1")


@pytest.fixture
def site(kafka: KafkaBroker, topic: str, tmp_path: Path) -> ForgottenSite:
    site = ForgottenSite(kafka.bootstrap("PLAINTEXT"), topic, tmp_path, subjects=SubjectSite.in_sqlite(tmp_path))
    SigningKey.create(tmp_path / "archiver", PASSPHRASE, name="archiver")
    site.sections["archive_config"] = {
        "location": str(tmp_path / "archive"),
        "signing_config": {"key_path": str(tmp_path / "archiver"), "passphrase": PASSPHRASE},
    }
    return site


def test_nothing_is_found_in_an_archive(site: ForgottenSite) -> None:
    # 1. The archive has them, sealed; the attacker and the owner find them.
    before = _logged(site, "before", ADA, BOB)
    _archive(site)
    files = everything_in(site.folder / "archive")
    assert any(b".parquet" in data for name, data in files.items() if name.endswith(":blocks"))
    known = _attacker(site, files)
    for user in (ADA, BOB):
        assert known.finds(user)
        assert known.reads(f"payload-of-{user}")
    assert _found(site, ADA) == {before[ADA]}
    assert _found(site, ADA, "--open") == {before[ADA]}
    _verify(site)

    site.forget(ADA)

    # 2. The same bytes, and what was archived since, say nothing of her.
    _archive(site)
    attacker = _attacker(site, {**files, **everything_in(site.folder / "archive")})
    assert attacker.finds(ADA) == []
    assert not attacker.reads(f"of-{ADA}")
    assert attacker.finds(BOB)
    assert attacker.reads(f"payload-of-{BOB}")
    assert _found(site, ADA) == set()
    assert _found(site, ADA, "--open") == set()
    _verify(site)

    # 3. She comes back, and is somebody new.
    after = _logged(site, "after", ADA)
    _archive(site)
    shown, summary = _shown(site)
    assert '"forgotten":1' in summary
    assert shown[before[ADA]]["subject"]["forgotten"] is True
    assert (shown[before[ADA]]["user_id"], shown[before[ADA]]["payload"]) == ("forgotten", None)
    assert shown[after[ADA]]["payload"] == {"name": f"payload-of-{ADA}"}
    assert shown[before[BOB]]["payload"] == {"name": f"payload-of-{BOB}"}
    assert _found(site, ADA) == _found(site, ADA, "--open") == {after[ADA]}
    _verify(site)

    # 4. A lake is filled with her events as with everybody's.
    lake = site.folder / "lake"
    words = ("--from", "archive", "--schema", "ocsf", "--layout", "security-lake", "--type", "order.*")
    place = ("--lake-account", "123456789012", "--lake-region", "eu-central-1", "-o", str(lake))
    exported = site.run("export", *words, *place)
    assert exported.code == 0, exported.err
    assert "forgotten: 1" in exported.err or "1 forgotten" in exported.err, exported.err
    written = everything_in(lake)
    assert any(b"forgotten" in data for data in written.values())
    for event_id in (before[ADA], before[BOB], after[ADA]):
        assert any(event_id.encode() in data for data in written.values())


def test_holds_and_redaction_find_a_subject(site: ForgottenSite) -> None:
    before = _logged(site, "before", ADA, BOB)
    _archive(site)

    # 1. Nobody is held who is not there: such a hold would cover nothing.
    nobody = site.run("archive", "hold", "--user", "Ada", *SHOP, "--reason", "case 1")
    assert (nobody.code, "no hold was made" in nobody.err) == (4, True), nobody.err
    assert site.run("archive", "hold", "--list", "--json").out == b""

    # 2. A hold of the archive covers her events, and stops that she is forgotten; it does not stop Bob.
    hold = _hold(site, "--user", ADA, *SHOP)
    assert site.run("archive", "redact", "--user", ADA, *SHOP, *REQUEST).code == 7
    refused = site.run("subject", "forget", ADA, "--yes")
    assert (refused.code, hold in refused.err) == (7, True), refused.err
    key = json.loads(site.run("subject", "show", ADA, "--json").out)["key"]
    unnamed = site.run("subject", "forget", "--subject-key", key, "--yes")
    assert (unnamed.code, "name the user" in unnamed.err) == (7, True), unnamed.err
    site.forget(BOB)
    assert site.run("archive", "release", hold, "--reason", "closed").code == 0

    # 3. A hold on the service covers everybody in it, one on another service nobody.
    _hold(site, "--service", "billing")
    hold = _hold(site, "--service", "shop")
    assert site.run("subject", "forget", ADA, "--yes").code == 7
    assert site.run("archive", "release", hold, "--reason", "closed").code == 0

    # 4. Redaction finds her; afterwards, and of one who was forgotten, it says that there is nothing.
    redacted = site.run("archive", "redact", "--user", ADA, *SHOP, *REQUEST, "--json")
    assert redacted.code == 0, redacted.err
    assert json.loads(redacted.out.splitlines()[0])["events"] == 1
    for user, reason in ((ADA, "no event of this request"), (BOB, "the subject store has no key of this user")):
        again = site.run("archive", "redact", "--user", user, *SHOP, *REQUEST)
        assert (again.code, reason in _words(again)) == (0, True), again.err
    forgotten = site.run("archive", "hold", "--user", BOB, *SHOP, "--reason", "case 2")
    assert (forgotten.code, "no hold was made" in forgotten.err) == (4, True), forgotten.err
    shown = site.run("tail", "--from", "archive", "--json")
    assert before[ADA] not in shown.out.decode()
    site.forget(ADA)
    _verify(site)


def test_hold_before_the_first_archived_event(site: ForgottenSite) -> None:
    _logged(site, "before", BOB)
    _archive(site)
    _logged(site, "before", NEW)

    # 1. Her key is there, and so her events of the next commit are held.
    hold = _hold(site, "--user", NEW, *SHOP)
    _archive(site)
    assert site.run("archive", "redact", "--user", NEW, *SHOP, *REQUEST).code == 7

    # 2. What is no hold that anybody signed forbids it as well: nobody knows whom it covers.
    file = site.folder / "archive" / "evidence" / "holds" / f"{hold}.hold"
    file.chmod(0o600)
    file.write_bytes(b"rubbish")
    assert site.run("subject", "forget", BOB, "--yes").code == 3
    file.unlink()

    # 3. Without the archive nobody knows either.
    (site.folder / "archive").rename(site.folder / "away")
    assert site.run("subject", "forget", BOB, "--yes").code == 2
    (site.folder / "away").rename(site.folder / "archive")
    assert json.loads(site.run("subject", "show", BOB, "--json").out)["state"] == "active"

    # 4. Who leaves out the store of subjects is told what is not found.
    plain = site.run("archive", "hold", "--user", NEW, *SHOP, "--reason", "case 3", subject_keys=None)
    assert (plain.code, "`audit_config.subject_keys` names" in _words(plain)) == (0, True), plain.err


def _logged(site: ForgottenSite, mark: str, *users: str) -> dict[str, str]:
    with Telemetry(site.config()) as telemetry:
        return {user: log(telemetry, user, mark, wait_for="delivered") for user in users}


def _archive(site: ForgottenSite) -> None:
    ended = site.run("archive", "--once")
    assert ended.code == 0, ended.err


def _hold(site: ForgottenSite, *words: str) -> str:
    ended = site.run("archive", "hold", *words, "--reason", "case 1", "--json")
    assert ended.code == 0, ended.err
    return str(json.loads(ended.out)["id"])


def _attacker(site: ForgottenSite, files: dict[str, bytes]) -> Attacker:
    return Attacker(site, records_in(files), files)


def _found(site: ForgottenSite, user: str, *words: str) -> set[str]:
    ended = site.run("search", "--user", user, "--json", *words)
    assert ended.code == 0, ended.err
    return {json.loads(line)["id"] for line in ended.out.splitlines()}


def _shown(site: ForgottenSite) -> tuple[dict[str, dict[str, Any]], str]:
    ended = site.run("tail", "--from", "archive", "--json", "--type", "order.*")
    assert ended.code == 0, ended.err
    return {event["id"]: event for event in map(json.loads, ended.out.splitlines())}, _words(ended)


def _verify(site: ForgottenSite) -> None:
    keys = [site.signing.public_key, SigningKey.load(site.folder / "archiver", PASSPHRASE).public_key]
    words = [word for key in keys for word in ("--public-key", key)]
    nothing: dict[str, Any] = {"subject_keys": None, "encryption_config": None, "encryption_enabled": False}
    ended = site.run("verify", "--from", "archive", "--json", *words, **nothing)
    assert ended.code == 0, ended.out.decode() + ended.err


def _words(ended: Ended) -> str:
    return " ".join(ended.err.split())

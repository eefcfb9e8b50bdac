"""An evidence pack is written from a trail, filed, and checked when the trail is gone."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.evidence import EvidenceRequest, Sample, sample_ids
from telemetry.exceptions import ConfigurationError
from telemetry.reader import EventFilter
from telemetry.testing import EmbeddedKafka
from tests.support.evidence_site import PASSPHRASE, EvidenceSite, unpacked
from tests.support.in_process import run

ABSENT = "0198c0de-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EvidenceSite]:
    with EmbeddedKafka() as kafka:
        yield EvidenceSite(kafka.bootstrap_servers, tmp_path_factory.mktemp("site"), events=120)


@pytest.fixture
def broker() -> Iterator[ExitStack]:
    """Yield what takes the broker of one test away."""
    with ExitStack() as broker:
        yield broker


@pytest.fixture
def own_site(broker: ExitStack, tmp_path: Path) -> EvidenceSite:
    kafka = broker.enter_context(EmbeddedKafka())
    return EvidenceSite(kafka.bootstrap_servers, tmp_path, events=60)


def manifest_of(pack: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(unpacked(pack.read_bytes())["manifest.json"])
    return manifest


def test_filtered_events_are_filed_and_checked(site: EvidenceSite, tmp_path: Path) -> None:
    pack = tmp_path / "order-7.zip"

    written = site.write("--entity", "order/7", "--as", "eve", "--reason", "INC-7", "-o", str(pack), "--json")
    checked = site.check(pack, "--trust", str(site.trust), "--json")

    assert (written.code, checked.code) == (0, 0), written.err + checked.out.decode()
    summary, report = json.loads(written.out), json.loads(checked.out)
    assert (summary["events"], summary["proven"], summary["unproven"]) == (3, 3, [])
    assert stat.filemode(pack.stat().st_mode) == "-rw-------"
    assert report["verdict"].startswith("genuine: every proof holds")
    assert {check["name"]: check["state"] for check in report["checks"]} == {
        "form": "passed",
        "files": "passed",
        "keys": "noted",
        "signer": "passed",
        "rosters": "noted",
        "events": "passed",
        "proofs": "passed",
        "content": "noted",
        "date": "passed",
        "pages": "passed",
        "verification of the trail": "noted",
    }
    manifest = manifest_of(pack)
    assert (manifest["request"]["reader"], manifest["request"]["reason"]) == ("eve", "INC-7")
    assert manifest["request"]["filters"] == {"entities": ["order/7"]}
    assert [event["content"] for event in manifest["events"]] == ["attested"] * 3
    assert manifest["attested_by"].startswith("auditor+")


def test_pack_outlives_topic_and_keys(own_site: EvidenceSite, broker: ExitStack, tmp_path: Path) -> None:
    site, pack = own_site, tmp_path / "pack.zip"
    assert site.write("--type", "order_", "-o", str(pack)).code == 0

    broker.close()
    (site.folder / "key").unlink()
    ended = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    site.write_trust(not_after=ended)

    checked = site.check(pack, "--trust", str(site.trust), "--json")
    assert checked.code == 0, checked.out
    proofs = next(check for check in json.loads(checked.out)["checks"] if check["name"] == "proofs")
    assert (
        proofs["detail"] == "60 of 60 events are part of what was signed; of 60 only the signer's own clock says when"
    )


def test_signer_is_not_known_without_trust(site: EvidenceSite, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    assert site.write("--entity", "order/7", "-o", str(pack)).code == 0

    checked = site.check(pack)

    assert checked.code == 4
    assert b"consistent with itself, signer not known" in checked.out


def test_public_keys_and_auditor_are_enough(site: EvidenceSite, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    assert site.write("--entity", "order/7", "-o", str(pack)).code == 0
    service, auditor = ("--public-key", site.service.public_key), ("--auditor", site.auditor.public_key)

    assert site.check(pack, *service, *auditor).code == 0
    assert site.check(pack, *service).code == 3
    assert site.check(pack, *auditor).code == 2
    assert site.check(pack, "--public-key", site.auditor.public_key, *auditor).code == 3


def test_same_input_gives_the_same_bytes(site: EvidenceSite) -> None:
    request = EvidenceRequest(wanted=EventFilter(types=("order_read",)), sample=Sample(size=10, seed="ab" * 32))
    assert site.build(request) == site.build(request)


def test_sample_can_be_drawn_again(site: EvidenceSite, tmp_path: Path) -> None:
    first, second, other = (tmp_path / name for name in ("first.zip", "second.zip", "other.zip"))

    written = site.write("--sample", "15", "-o", str(first), "--json")
    summary = json.loads(written.out)
    again = site.write("--sample", "15", "--seed", summary["seed"], "-o", str(second))
    assert site.write("--sample", "15", "-o", str(other)).code == 0

    assert (written.code, again.code) == (0, 0), written.err
    assert f"drawn from {summary['population']} events with --seed {summary['seed']}" in again.err
    files = unpacked(first.read_bytes())
    population = files["population.txt"].decode().split()
    drawn = [event["id"] for event in manifest_of(first)["events"]]
    assert summary["population"] == len(population) >= 120
    assert drawn == sample_ids(population, Sample(size=15, seed=summary["seed"]))
    assert drawn == [event["id"] for event in manifest_of(second)["events"]]
    assert drawn != [event["id"] for event in manifest_of(other)["events"]]
    assert site.check(first, "--trust", str(site.trust)).code == 0


def test_read_and_export_are_recorded_with_the_seed(own_site: EvidenceSite, tmp_path: Path) -> None:
    site, pack = own_site, tmp_path / "pack.zip"
    site.write_config(read_audit="required")

    written = site.write(
        *("--type", "order_", "--sample", "5", "--as", "eve", "--reason", "audit 7", "-o", str(pack), "--json")
    )
    assert written.code == 0, written.err
    site.write_config(read_audit="off")
    shown = run("tail", "-c", str(site.folder / "telemetry.toml"), "--type", "telemetry.", "--json")
    events = {event["event_type"]: event for event in map(json.loads, shown.out.splitlines())}

    read, exported = events["telemetry.read"], events["telemetry.exported"]
    summary, manifest = json.loads(written.out), manifest_of(pack)
    assert read["payload"]["filters"] == {"types": ["order_"], "sample": {"size": 5, "seed": summary["seed"]}}
    assert (read["user_id"], read["payload"]["reason"]) == ("eve", "audit 7")
    assert read["id"] == manifest["request"]["read_event"]
    assert read["id"] not in unpacked(pack.read_bytes())["population.txt"].decode()
    assert exported["payload"]["events"] == 5
    assert exported["payload"]["description"]["signer"] == manifest["attested_by"]
    assert (exported["user_id"], exported["action"]) == ("eve", "read")


def test_nothing_is_written_that_cannot_be_recorded(own_site: EvidenceSite, tmp_path: Path) -> None:
    site, pack = own_site, tmp_path / "pack.zip"
    site.write_config(read_audit="required")
    (site.folder / "signing").unlink()

    written = site.write("--type", "order_", "-o", str(pack))

    assert written.code in (2, 7)
    assert not pack.exists()


def test_absent_event_is_named_and_the_others_filed(site: EvidenceSite, tmp_path: Path) -> None:
    pack, ids = tmp_path / "pack.zip", tmp_path / "ids.txt"
    summary = site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7"}))))[1]
    known = sorted(
        name[7:-5]
        for name in unpacked(site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7"}))))[0])
        if name.startswith("events/")
    )
    ids.write_text("\n".join([*known, ABSENT]))

    written = site.write("--ids", str(ids), "-o", str(pack))
    checked = site.check(pack, "--trust", str(site.trust))

    assert summary.events == 3
    assert (written.code, checked.code) == (4, 4), written.err
    assert f"not proven: {ABSENT}" in written.err
    assert f"event {ABSENT} is not proven, as the manifest says" in checked.out.decode()
    assert b"genuine, and not all of it is proven" in checked.out
    assert f"proofs/{known[0]}.proof.json" in unpacked(pack.read_bytes())


def test_event_after_the_last_checkpoint_is_named(own_site: EvidenceSite, tmp_path: Path) -> None:
    site = own_site
    # A process that is killed leaves its last events without a checkpoint; here its checkpoints are taken away.
    copy = tmp_path / "copy.jsonl"
    assert run("export", "-c", str(site.folder / "telemetry.toml"), "--sealed", "-o", str(copy)).code == 0
    lines = copy.read_text("utf-8").splitlines()
    kept = [line for line in lines if '"telemetry.checkpoint' not in json.loads(line)["value"]]
    assert len(kept) < len(lines)
    copy.write_text("\n".join(kept) + "\n")

    pack, summary = site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7"})), file=copy))

    assert (summary.exit_code, summary.proven) == (4, 0)
    report = site.verify(pack)
    assert report.exit_code == 4
    assert sum("is not proven" in finding.reason for finding in report.findings) == summary.events


def test_sealed_pack_needs_no_key_and_has_no_content(site: EvidenceSite, tmp_path: Path) -> None:
    pack, ids = tmp_path / "pack.zip", tmp_path / "ids.txt"
    whole = site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7"}))))[0]
    known = [name[7:-5] for name in unpacked(whole) if name.startswith("events/")]
    ids.write_text("\n".join(known))

    written = site.write("--ids", str(ids), "--sealed", "-o", str(pack))
    checked = site.check(pack, "--trust", str(site.trust))

    assert (written.code, checked.code) == (0, 0), written.err
    files = unpacked(pack.read_bytes())
    assert not [name for name in files if name.startswith("events/")]
    assert b"user-" not in b"".join(files.values())
    assert b"the pack has none: its events are sealed in their proofs" in checked.out


def test_sealed_events_of_a_time_are_sampled(site: EvidenceSite) -> None:
    request = EvidenceRequest(
        wanted=EventFilter(since="2020-01-01T00:00:00.000000Z"), sample=Sample(size=7, seed="00" * 32), content=False
    )
    pack, summary = site.build(request, encryption_config=None, encryption_enabled=False)
    assert (summary.events, summary.exit_code) == (7, 0)
    assert site.verify(pack).exit_code == 0


def test_records_are_opened_again_and_compared(site: EvidenceSite, tmp_path: Path) -> None:
    pack, folder = tmp_path / "pack.zip", tmp_path / "unpacked"
    assert site.write("--entity", "order/7", "-o", str(pack)).code == 0

    checked = site.check(
        *(pack, "--trust", str(site.trust), "--open", "-c", str(site.folder / "telemetry.toml")),
        *("--extract", str(folder)),
    )

    assert checked.code == 0, checked.out
    assert b"3 opened and compared" in checked.out
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == set(unpacked(pack.read_bytes()))
    assert {stat.filemode(path.stat().st_mode) for path in folder.rglob("*")} == {"-rw-------", "drwx------"}


def test_key_of_another_trail_opens_nothing(site: EvidenceSite, tmp_path: Path) -> None:
    pack, config = tmp_path / "pack.zip", tmp_path / "other.toml"
    assert site.write("--entity", "order/7", "-o", str(pack)).code == 0
    assert run("keys", "init", str(tmp_path / "key"), "--passphrase-file", str(site.folder / "passphrase")).code == 0
    text = (site.folder / "telemetry.toml").read_text("utf-8")
    config.write_text(text.replace(str(site.folder / "key"), str(tmp_path / "key")))

    checked = site.check(pack, "--trust", str(site.trust), "--open", "-c", str(config))

    assert checked.code == 5, checked.out
    assert b"could not be opened" in checked.out


def test_nobody_signs_and_the_pack_says_so(site: EvidenceSite, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    written = run(
        *("evidence", "-c", str(site.folder / "telemetry.toml"), "--trust", str(site.trust)),
        *("--entity", "order/7", "-o", str(pack)),
    )
    checked = site.check(pack, "--trust", str(site.trust))

    assert (written.code, checked.code) == (0, 4)
    assert "nobody signs this pack" in written.err
    assert b"signed by nobody" in checked.out
    assert b"Nobody signed this pack" in unpacked(pack.read_bytes())["index.html"]


def test_key_without_the_role_is_told_at_once(site: EvidenceSite, tmp_path: Path) -> None:
    SigningKey.create(tmp_path / "other", PASSPHRASE, name="other")
    pack = tmp_path / "pack.zip"
    written = run(
        *("evidence", "-c", str(site.folder / "telemetry.toml"), "--trust", str(site.trust)),
        *("--auditor-key", str(tmp_path / "other"), "--auditor-passphrase-file", str(site.folder / "passphrase")),
        *("--entity", "order/7", "-o", str(pack)),
    )
    assert written.code == 0
    assert "does not give other the role auditor" in written.err
    assert site.check(pack, "--trust", str(site.trust)).code == 3


def test_roster_says_when_a_checkpoint_was_seen(own_site: EvidenceSite, tmp_path: Path) -> None:
    site, pack = own_site, tmp_path / "pack.zip"
    text = (site.folder / "telemetry.toml").read_text("utf-8")
    (tmp_path / "witness.toml").write_text(text.replace(str(site.folder / "signing"), str(site.folder / "witness")))
    watched = run(
        *("witness", "-c", str(tmp_path / "witness.toml"), "--once", "--trust", str(site.trust)),
        *("--roster", (tmp_path / "rosters").as_uri(), "--publish-topic"),
    )
    assert watched.code == 0, watched.err
    site.log(20, first=100)
    assert site.write("--entity", "order/9", "-o", str(pack)).code == 0
    assert [name for name in unpacked(pack.read_bytes()) if name.startswith("rosters/")]

    before = site.check(pack, "--trust", str(site.trust), "--json")
    # The service's key is stolen later: nobody but the witness says that it signed before.
    site.write_trust(revoked_from=(datetime.now(UTC) + timedelta(minutes=1)).isoformat())
    after = site.check(pack, "--trust", str(site.trust), "--json")

    assert (before.code, after.code) == (0, 4), before.out
    # The witness saw the end of the first process, and nothing of the second one.
    findings = {finding["place"]: finding["reason"] for finding in json.loads(after.out)["findings"]}
    *_, seen, unseen = (f"proofs/{event['id']}.proof.json" for event in manifest_of(pack)["events"])
    assert "is revoked, and no witness saw what it signed before that" in findings[unseen]
    assert seen not in findings


def test_hostile_content_is_inert_in_the_page(site: EvidenceSite) -> None:
    page = unpacked(site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7"}))))[0])["index.html"]
    text = page.decode()
    assert "<script" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--sample", "0"), "--sample"),
        (("--sample", "1001"), "1,000"),
        (("--seed", "00" * 32), "--sample"),
        (("--sample", "3", "--seed", "0" * 63), "64 hexadecimal digits"),
        (("--sample", "3", "--seed", "AB" * 32), "64 hexadecimal digits"),
        (("--sealed", "--user", "alice"), "time of logging"),
        (("--user", "nobody-at-all"), "none is selected"),
        (("--auditor-passphrase-file", "x"), "--auditor-key"),
    ],
)
def test_wrong_request_is_refused(site: EvidenceSite, tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    pack = tmp_path / "pack.zip"
    ended = run(
        *("evidence", "-c", str(site.folder / "telemetry.toml"), "--trust", str(site.trust), "-o", str(pack), *options)
    )
    assert ended.code == 2
    assert reason in ended.err
    assert not pack.exists()


def test_existing_pack_is_not_overwritten(site: EvidenceSite, tmp_path: Path) -> None:
    pack = tmp_path / "pack.zip"
    pack.write_text("mine")
    assert site.write("--entity", "order/7", "-o", str(pack)).code == 2
    assert pack.read_text("utf-8") == "mine"


def test_too_many_events_ask_for_a_sample(own_site: EvidenceSite) -> None:
    own_site.log(1_001, first=1_000)
    with pytest.raises(ConfigurationError, match="more than 1,000 events are selected"):
        own_site.build(EvidenceRequest(wanted=EventFilter(types=("order_",))))


def test_thousand_events_are_filed_and_checked(own_site: EvidenceSite, broker: ExitStack) -> None:
    own_site.log(1_200, first=1_000)
    pack, summary = own_site.build(EvidenceRequest(sample=Sample(size=1_000, seed="11" * 32)))

    assert (summary.events, summary.proven, summary.exit_code) == (1_000, 1_000, 0)
    broker.close()
    report = own_site.verify(pack)
    assert (report.exit_code, report.findings) == (0, ())


def test_disclosed_content_is_proven_without_a_key(own_site: EvidenceSite, tmp_path: Path) -> None:
    own_site.log(20, first=2_000, disclosable=True)
    request = EvidenceRequest(wanted=EventFilter(where=("payload.number=2003", "payload.number=3")))

    pack, summary = own_site.build(request)

    report = own_site.verify(pack)
    content = next(check for check in report.checks if check.name == "content")
    assert (summary.events, report.exit_code) == (2, 0)
    assert content.detail.startswith("1 attested by auditor+")
    assert content.detail.endswith("; 1 proven: the service committed to it when it was logged")
    assert b"content disclosed" in unpacked(pack)["index.html"]


def test_event_in_the_clear_is_its_own_content(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        clear: dict[str, Any] = {"encryption_enabled": False, "encryption_config": None}
        site = EvidenceSite(kafka.bootstrap_servers, tmp_path, events=30, **clear)
        pack, summary = site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7"}))), **clear)
        assert (summary.exit_code, summary.events) == (0, 1)
        report = site.verify(pack)
    content = next(check for check in report.checks if check.name == "content")
    assert (report.exit_code, content.detail) == (0, "1 proven: it was logged in the clear")


def test_copy_of_the_trail_is_enough(own_site: EvidenceSite, broker: ExitStack, tmp_path: Path) -> None:
    site, copy, pack = own_site, tmp_path / "copy.jsonl", tmp_path / "pack.zip"
    assert run("export", "-c", str(site.folder / "telemetry.toml"), "--sealed", "-o", str(copy)).code == 0
    broker.close()

    written = site.write("--entity", "order/7", "--file", str(copy), "-o", str(pack))

    assert written.code == 0, written.err
    assert site.check(pack, "--trust", str(site.trust)).code == 0
    assert manifest_of(pack)["sources"]["file"] == "copy.jsonl"

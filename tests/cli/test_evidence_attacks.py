"""Whatever is changed in a pack is named, and a pack of an attacker's own keys is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from telemetry.evidence import EvidenceRequest, PackReport, Sample, verify_pack
from telemetry.reader import EventFilter
from telemetry.reader.trust import parse_trust_file
from telemetry.testing import EmbeddedKafka
from tests.support.evidence_site import (
    EvidenceSite,
    Files,
    relisted,
    repacked,
    resigned,
    unpacked,
    with_manifest,
)
from tests.support.in_process import run
from tests.support.written_trail import Signer

EVENTS = ("events/", "proofs/", "disclosures/")


class Filed(NamedTuple):
    """A trail, a pack of it with everything that a pack can have, and its files."""

    site: EvidenceSite
    pack: bytes
    files: Files

    def named(self, prefix: str) -> list[str]:
        return [name for name in self.files if name.startswith(prefix)]

    def verify(self, files: Files) -> PackReport:
        return self.site.verify(repacked(files))

    def findings(self, files: Files) -> dict[str, str]:
        """Return what is found of altered files, by the place; the exit code is that of an alteration."""
        report = self.verify(files)
        assert report.exit_code == 3, report
        return {finding.place: finding.reason for finding in report.findings}


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Filed:
    folder = tmp_path_factory.mktemp("filed")
    with EmbeddedKafka() as kafka:
        site = EvidenceSite(kafka.bootstrap_servers, folder, events=60, disclosable=True)
        text = (folder / "telemetry.toml").read_text("utf-8")
        (folder / "witness.toml").write_text(text.replace(str(folder / "signing"), str(folder / "witness")))
        watched = run(
            *("witness", "-c", str(folder / "witness.toml"), "--once", "--trust", str(site.trust)),
            *("--roster", (folder / "rosters").as_uri(), "--publish-topic"),
        )
        assert watched.code == 0, watched.err
        site.log(20, first=100)
        request = EvidenceRequest(wanted=EventFilter(types=("order_",)), sample=Sample(size=12, seed="5e" * 32))
        pack, summary = site.build(request)
        assert summary.exit_code == 0
    files = unpacked(pack)
    assert repacked(files) == pack
    return Filed(site, pack, files)


def test_untouched_pack_is_genuine(filed: Filed) -> None:
    report = filed.verify(filed.files)
    assert (report.exit_code, report.findings) == (0, ())
    folders = {name.partition("/")[0] for name in filed.files}
    assert {"events", "proofs", "disclosures", "rosters", "population.txt", "index.html"} <= folders


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


KINDS = [
    *("events/", "proofs/", "disclosures/", "rosters/", "index.html", "keys.txt", "trust.toml", "population.txt"),
    *("verification.json", "verification.html"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bit_is_named(filed: Filed, kind: str) -> None:
    name = filed.named(kind)[0]
    found = filed.findings({**filed.files, name: flipped(filed.files[name])})
    assert "was altered" in found[name]


@pytest.mark.parametrize("kind", KINDS)
def test_removed_file_is_named(filed: Filed, kind: str) -> None:
    name = filed.named(kind)[0]
    found = filed.findings({each: content for each, content in filed.files.items() if each != name})
    assert "is missing" in found[name]


@pytest.mark.parametrize("kind", ["events/", "proofs/", "disclosures/"])
def test_added_file_is_named(filed: Filed, kind: str) -> None:
    name = filed.named(kind)[0]
    added = name.replace(name.split("/")[1][:8], "01234567")
    found = filed.findings({**filed.files, added: filed.files[name]})
    assert "was added" in found[added]


@pytest.mark.parametrize("kind", ["events/", "proofs/", "disclosures/"])
def test_swapped_files_are_named(filed: Filed, kind: str) -> None:
    first, second = filed.named(kind)[:2]
    swapped = {**filed.files, first: filed.files[second], second: filed.files[first]}
    assert {first, second} <= set(filed.findings(swapped))


def test_renamed_file_is_named(filed: Filed) -> None:
    name = filed.named("proofs/")[0]
    other = name.replace(name[7:15], "01234567")
    files = {(other if each == name else each): content for each, content in filed.files.items()}
    found = filed.findings(files)
    assert ("is missing" in found[name], "was added" in found[other]) == (True, True)


def test_flipped_bit_of_the_manifest_is_named(filed: Filed) -> None:
    text = filed.files["manifest.json"].replace(b'"damaged": 0', b'"damaged": 1')
    assert text != filed.files["manifest.json"]
    found = filed.findings({**filed.files, "manifest.json": text})
    assert found == {"manifest.note": "the manifest is not the one that was signed"}


def test_flipped_bit_of_the_signature_is_named(filed: Filed) -> None:
    note = filed.files["manifest.note"]
    text = note[:-20] + (b"A" if note[-20:-19] != b"A" else b"B") + note[-19:]
    assert "does not match the note" in filed.findings({**filed.files, "manifest.note": text})["manifest.note"]


def test_removed_signature_is_named(filed: Filed) -> None:
    files = {name: content for name, content in filed.files.items() if name != "manifest.note"}
    assert "is missing: the manifest says that auditor+" in filed.findings(files)["manifest.note"]


def test_content_with_its_digest_is_not_signed(filed: Filed) -> None:
    name = filed.named("events/")[0]
    files = relisted({**filed.files, name: filed.files[name].replace(b'"success"', b'"failure"')})
    found = filed.findings(files)
    assert found["manifest.note"] == "the manifest is not the one that was signed"


@pytest.fixture
def dishonest(filed: Filed) -> Callable[[Files], dict[str, str]]:
    """Return what is found of files that the auditor's own key has signed anew."""
    return lambda files: filed.findings(resigned(relisted(files), filed.site.auditor))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"event_type":"order_read"', b'"event_type":"order_sold"'),
        (b'"environment":"', b'"environment":"x'),
        (b'"service_name":"', b'"service_name":"x'),
        (b'"user_id":"user-', b'"user_id":"mallory-'),
        (b'"sequence":', b'"sequence":9'),
        (b'"time":"2', b'"time":"3'),
    ],
)
def test_auditor_cannot_change_what_is_proven(
    filed: Filed, dishonest: Callable[[Files], dict[str, str]], old: bytes, new: bytes
) -> None:
    name = next(name for name in filed.named("events/") if old in filed.files[name])
    found = dishonest({**filed.files, name: filed.files[name].replace(old, new, 1)})
    assert "is not the content of event" in found[name]


def test_auditor_cannot_change_what_is_disclosed(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    name = filed.named("events/")[0]
    found = dishonest({**filed.files, name: filed.files[name].replace(b'"success"', b'"failure"')})
    disclosure = name.replace("events/", "disclosures/")
    assert "does not show the content" in found[disclosure]
    # The disclosure changed with it is no better: the commitment is part of the proven record.
    both = {each: filed.files[each].replace(b'"success"', b'"failure"') for each in (name, disclosure)}
    assert "the commitment differs" in dishonest({**filed.files, **both})[disclosure]


def test_auditor_cannot_exchange_events(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    first, second = filed.named("events/")[:2]
    found = dishonest({**filed.files, first: filed.files[second], second: filed.files[first]})
    assert "it is that of event" in found[first]


def test_auditor_cannot_exchange_proofs(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    first, second = filed.named("proofs/")[:2]
    found = dishonest({**filed.files, first: filed.files[second], second: filed.files[first]})
    assert "it is the proof of event" in found[first]


@pytest.mark.parametrize("member", ["path", "checkpoint", "value", "sequence"])
def test_forged_proof_is_named(filed: Filed, dishonest: Callable[[Files], dict[str, str]], member: str) -> None:
    first, second = filed.named("proofs/")[:2]
    proof, other = json.loads(filed.files[first]), json.loads(filed.files[second])
    proof[member] = other[member] if proof[member] != other[member] else proof["value"]
    found = dishonest({**filed.files, first: json.dumps(proof).encode()})
    assert f"does not prove event {first[7:43]}" in found[first]


def test_dropped_event_breaks_the_sample(filed: Filed) -> None:
    victim = filed.named("events/")[0][7:-5]
    files = {name: content for name, content in filed.files.items() if victim not in name}
    files = relisted(with_manifest(files, lambda manifest: manifest["events"].pop(0)))
    found = filed.findings(resigned(files, filed.site.auditor))
    assert "seed and population give other events" in found["population.txt"]


def test_other_seed_gives_other_events(filed: Filed) -> None:
    files = with_manifest(filed.files, lambda manifest: manifest["request"]["sample"].update(seed="ff" * 32))
    found = filed.findings(resigned(files, filed.site.auditor))
    assert "seed and population give other events" in found["population.txt"]


def test_population_without_an_event_is_named(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    lines = filed.files["population.txt"].splitlines(keepends=True)
    found = dishonest({**filed.files, "population.txt": b"".join(lines[1:])})
    assert "the manifest says" in found["population.txt"]


@pytest.mark.parametrize("text", [b"", b"x\n", b"\xff\n", b"\n\n"])
def test_population_of_other_lines_is_named(
    filed: Filed, dishonest: Callable[[Files], dict[str, str]], text: bytes
) -> None:
    assert "population.txt" in dishonest({**filed.files, "population.txt": filed.files["population.txt"] + text + b"z"})


def test_report_that_says_otherwise_is_named(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    report = json.loads(filed.files["verification.json"]) | {"verdict": "tampered"}
    found = dishonest({**filed.files, "verification.json": json.dumps(report).encode()})
    assert "says something else of the trail" in found["verification.json"]


def test_forged_roster_is_named(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    name = filed.named("rosters/")[0]
    forged = filed.files[name].replace(b" open ", b" closed ") if b" open " in filed.files[name] else b"{}"
    assert "rosters/" in next(iter(dishonest({**filed.files, name: forged})))


def test_proof_of_a_problem_event_is_named(filed: Filed) -> None:
    files = with_manifest(filed.files, lambda manifest: manifest["events"][0].update(problem="not found"))
    found = filed.findings(resigned(files, filed.site.auditor))
    event_id = json.loads(files["manifest.json"])["events"][0]["id"]
    assert "belongs to no event" in found[f"proofs/{event_id}.proof.json"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda manifest: manifest.update(version=2), id="later version"),
        pytest.param(lambda manifest: manifest.update(format="other"), id="other format"),
        pytest.param(lambda manifest: manifest.update(more=1), id="unknown member"),
        pytest.param(lambda manifest: manifest["request"].update(more=1), id="unknown member inside"),
        pytest.param(lambda manifest: manifest.update(created="yesterday"), id="no time"),
        pytest.param(lambda manifest: manifest["events"].reverse(), id="events in another order"),
        pytest.param(lambda manifest: manifest["events"].append(manifest["events"][-1]), id="event twice"),
        pytest.param(lambda manifest: manifest["files"].reverse(), id="files in another order"),
        pytest.param(lambda manifest: manifest["files"][0].update(name="../x"), id="path"),
        pytest.param(lambda manifest: manifest["files"][0].update(name="manifest.json"), id="manifest itself"),
        pytest.param(lambda manifest: manifest["files"][0].update(sha256="00"), id="short digest"),
        pytest.param(lambda manifest: manifest["files"][0].update(size=-1), id="negative size"),
        pytest.param(lambda manifest: manifest["files"][0].update(size=1e300), id="size that is no integer"),
        pytest.param(lambda manifest: manifest["request"].update(filters=[[]]), id="filters of another type"),
    ],
)
def test_manifest_in_another_form_is_no_pack(filed: Filed, change: Callable[[dict[str, Any]], None]) -> None:
    files = with_manifest(filed.files, change)
    report = filed.verify(files)
    assert (report.exit_code, report.manifest) == (3, None)
    assert "manifest.json" in report.findings[0].reason


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format":"telemetry-evidence-pack","version":NaN}']
)
def test_rubbish_manifest_is_no_pack(filed: Filed, text: bytes) -> None:
    assert filed.verify({**filed.files, "manifest.json": text}).exit_code == 3


@pytest.mark.parametrize("text", [b"", b"\xff", b"telemetry-evidence/1\n", b"x" * 100_000])
def test_rubbish_note_is_named(filed: Filed, text: bytes) -> None:
    assert "manifest.note" in filed.findings({**filed.files, "manifest.note": text})


@pytest.mark.parametrize("text", [b"signer x\n", b"friend x+00000000+AA==\n", b"\xff\n", b"auditor", b"\n" * 5_000])
def test_rubbish_keys_are_named(filed: Filed, dishonest: Callable[[Files], dict[str, str]], text: bytes) -> None:
    assert "keys.txt" in dishonest({**filed.files, "keys.txt": text})


@pytest.mark.parametrize("text", [b"", b"{}\n", b"[" * 50_000, b"\xff"])
@pytest.mark.parametrize("kind", ["events/", "proofs/", "disclosures/", "rosters/", "verification.json"])
def test_rubbish_files_are_named(
    filed: Filed, dishonest: Callable[[Files], dict[str, str]], kind: str, text: bytes
) -> None:
    name = filed.named(kind)[0]
    assert name in dishonest({**filed.files, name: text})


def test_content_with_a_repeated_member_is_named(filed: Filed, dishonest: Callable[[Files], dict[str, str]]) -> None:
    name = filed.named("events/")[0]
    twice = filed.files[name].replace(b'"outcome":"success"', b'"outcome":"failure","outcome":"success"')
    assert "in the form of version 1" in dishonest({**filed.files, name: twice})[name]


def test_own_keys_of_an_attacker_are_refused(filed: Filed, tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        other = EvidenceSite(kafka.bootstrap_servers, tmp_path, events=30)
        pack, summary = other.build(EvidenceRequest(wanted=EventFilter(types=("order_read",))))
    assert (summary.exit_code, other.verify(pack).exit_code) == (0, 0)

    untrusting = verify_pack(BytesIO(pack), policy=None)
    trusting = filed.site.verify(pack)

    assert (untrusting.exit_code, trusting.exit_code) == (4, 3)
    assert untrusting.verdict == "consistent with itself, signer not known"
    found = {finding.place: finding.reason for finding in trusting.findings}
    assert "no trusted key signed the note; it is signed by auditor+" in found["manifest.note"]
    refused = [name for name, reason in found.items() if "no trusted key signed the note" in reason]
    assert len(refused) == summary.events + 1


@pytest.mark.parametrize("text", ["telemetry-acknowledgement/1", "telemetry-evidence/2"])
def test_note_of_another_kind_is_refused(filed: Filed, text: str) -> None:
    note = filed.files["manifest.note"].decode().replace("telemetry-evidence/1", text)
    assert "manifest.note" in filed.findings({**filed.files, "manifest.note": note.encode()})


def trusted(filed: Filed, **of_auditor: str) -> PackReport:
    """Verify with a trust file in which the auditor's key has further members."""
    more = "".join(f"{name} = {value}\n" for name, value in of_auditor.items())
    auditor = f'public = "{filed.site.auditor.public_key}"\nroles = ["auditor"]\n'
    text = filed.site.trust.read_text("utf-8")
    assert auditor in text
    policy = parse_trust_file(text.replace(auditor, auditor + more).encode())
    return verify_pack(BytesIO(filed.pack), policy=policy)


def test_auditor_of_another_time_is_refused(filed: Filed) -> None:
    before, after = ((filed.site.now + timedelta(days=days)).isoformat() for days in (-30, 30))

    assert trusted(filed, not_before=before, not_after=after).exit_code == 0
    for of_auditor in ({"not_after": before}, {"not_before": after}, {"revoked_from": before}, {"revoked_from": after}):
        report = trusted(filed, **of_auditor)
        assert report.exit_code == 3
        assert "no key that signed the manifest may vouch for a pack" in report.findings[0].reason


@pytest.mark.parametrize("role", ["service", "reader", "witness", "gateway"])
def test_key_of_another_role_vouches_for_nothing(filed: Filed, role: str) -> None:
    text = filed.site.trust.read_text("utf-8").replace('roles = ["auditor"]', f'roles = ["{role}"]\nsources = ["/*/*"]')
    report = verify_pack(BytesIO(filed.pack), policy=parse_trust_file(text.encode()))
    assert report.exit_code == 3
    assert "only the role auditor may sign this" in report.findings[0].reason


def test_service_cannot_vouch_for_its_own_pack(filed: Filed) -> None:
    found = filed.findings(resigned(relisted(filed.files), filed.site.service))
    assert "may vouch for a pack" in found["manifest.note"]


def test_second_signature_of_a_stranger_changes_nothing(filed: Filed) -> None:
    stranger = resigned(filed.files, Signer(9, "stranger"))["manifest.note"].rpartition(b"\n\n")[2]
    report = filed.verify({**filed.files, "manifest.note": filed.files["manifest.note"] + stranger})
    assert report.exit_code == 0


def test_manifest_that_names_another_signer_is_refused(filed: Filed) -> None:
    files = with_manifest(filed.files, lambda manifest: manifest.update(attested_by="board+00000000"))
    found = filed.findings(resigned(files, filed.site.auditor))
    assert "the manifest names board+00000000 as its signer" in found["manifest.note"]


@pytest.mark.parametrize("pack", [b"", b"PK", b"not a pack at all", b"\x00" * 10_000])
def test_file_that_is_no_pack(tmp_path: Path, pack: bytes) -> None:
    file = tmp_path / "pack.zip"
    file.write_bytes(pack)
    ended = run("verify-evidence", str(file))
    assert ended.code == 3
    assert b"not an evidence pack as it was written" in ended.out


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    for file in (tmp_path / "absent.zip", tmp_path):
        ended = run("verify-evidence", str(file))
        assert ended.code == 2
        assert "cannot be read" in ended.err


def test_refused_pack_is_not_extracted(filed: Filed, tmp_path: Path) -> None:
    file, folder = tmp_path / "pack.zip", tmp_path / "folder"
    name = filed.named("events/")[0]
    file.write_bytes(repacked({**filed.files, name: flipped(filed.files[name])}))
    ended = run("verify-evidence", str(file), "--trust", str(filed.site.trust), "--extract", str(folder))
    assert ended.code == 3
    assert not folder.exists()

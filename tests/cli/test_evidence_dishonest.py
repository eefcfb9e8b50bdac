"""An auditor whose key is trusted cannot say of a pack what its own files contradict."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from telemetry.evidence import EvidenceRequest, PackReport, verify_pack
from telemetry.reader import EventFilter
from telemetry.reader.trust import parse_trust_file
from telemetry.system.clock import rfc3339
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


class Filed(NamedTuple):
    """A trail of disclosable events, and the files of a pack of some of them."""

    site: EvidenceSite
    files: Files

    @property
    def event(self) -> str:
        """Id of the first event."""
        return min(self.files)[len("disclosures/") : -len(".json")]

    def verify(self, files: Files) -> PackReport:
        """Verify files that the auditor has signed as they are."""
        return self.site.verify(repacked(resigned(files, self.site.auditor)))

    def findings(self, files: Files) -> dict[str, str]:
        """Return what is found, by the place, of a pack that is refused."""
        report = self.verify(files)
        assert report.exit_code == 3, report
        return {finding.place: finding.reason for finding in report.findings}


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> Filed:
    with EmbeddedKafka() as kafka:
        site = EvidenceSite(kafka.bootstrap_servers, tmp_path_factory.mktemp("filed"), events=40, disclosable=True)
        pack, summary = site.build(EvidenceRequest(wanted=EventFilter(entities=frozenset({"order/7", "order/8"}))))
    assert (summary.events, summary.exit_code) == (2, 0)
    return Filed(site, unpacked(pack))


def dated(files: Files, time: str) -> Files:
    """Return the files with another date, wherever the exporter states it."""
    report = json.loads(files["verification.json"]) | {"checked_at": time}
    files = {**files, "verification.json": json.dumps(report).encode()}

    def change(manifest: dict[str, Any]) -> None:
        manifest["created"] = manifest["verification"]["checked_at"] = time

    return relisted(with_manifest(files, change))


def test_untouched_pack_is_genuine(filed: Filed) -> None:
    assert filed.verify(filed.files).exit_code == 0


def test_pack_dated_before_its_proofs_is_refused(filed: Filed) -> None:
    early = rfc3339(filed.site.now - timedelta(days=30))
    assert "was signed at" in filed.findings(dated(filed.files, early))["manifest.json"]


def test_key_that_ended_cannot_date_back(filed: Filed) -> None:
    ended = filed.site.now - timedelta(days=1)
    auditor = f'public = "{filed.site.auditor.public_key}"\n'
    text = filed.site.trust.read_text("utf-8").replace(auditor, f"{auditor}not_after = {ended.isoformat()}\n")
    files = resigned(dated(filed.files, rfc3339(ended)), filed.site.auditor)
    report = verify_pack(BytesIO(repacked(files)), policy=parse_trust_file(text.encode()))
    assert report.exit_code == 3


def test_pack_of_the_future_is_open(filed: Filed) -> None:
    report = filed.verify(dated(filed.files, rfc3339(filed.site.now + timedelta(days=30))))
    assert report.exit_code == 4
    assert "in the future" in report.findings[0].reason


def test_report_of_another_time_is_refused(filed: Filed) -> None:
    late = rfc3339(filed.site.now + timedelta(seconds=100))
    files = with_manifest(dated(filed.files, late), lambda manifest: manifest.update(created=rfc3339(filed.site.now)))
    assert "verification.json" in filed.findings(files)


def test_checkpoint_after_the_pack_proves_nothing(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        site = EvidenceSite(kafka.bootstrap_servers, tmp_path, events=10)
        site.now -= timedelta(days=1)
        pack, summary = site.build(EvidenceRequest())
        report = site.verify(pack)

    assert (summary.exit_code, summary.proven, report.exit_code) == (4, 0, 4)
    assert all("later than the pack" in reason for _, reason in summary.unproven)


def test_auditor_of_other_services_is_refused(filed: Filed) -> None:
    auditor = f'public = "{filed.site.auditor.public_key}"\nroles = ["auditor"]\n'
    text = filed.site.trust.read_text("utf-8")
    source = json.loads(json.loads(filed.files[f"proofs/{filed.event}.proof.json"])["value"])["source"]
    codes = {}
    for pattern in ("/production/marketing", source):
        policy = parse_trust_file(text.replace(auditor, f'{auditor}sources = ["{pattern}"]\n').encode())
        report = verify_pack(BytesIO(repacked(filed.files)), policy=policy)
        codes[pattern] = (report.exit_code, any(source in finding.reason for finding in report.findings))
    assert codes == {"/production/marketing": (3, True), source: (0, False)}


def test_disclosure_that_was_left_out_is_named(filed: Filed) -> None:
    event = filed.event
    lie = filed.files[f"events/{event}.json"].replace(b'"success"', b'"failure"')
    files = {name: content for name, content in filed.files.items() if name != f"disclosures/{event}.json"}
    files = with_manifest(
        {**files, f"events/{event}.json": lie}, lambda manifest: manifest["events"][0].update(content="attested")
    )
    report = filed.verify(relisted(files))
    assert (report.exit_code, [finding.place for finding in report.findings]) == (4, [f"events/{event}.json"])
    assert "disclosure" in report.findings[0].reason


@pytest.mark.parametrize("member", ["reason", "selected", "problem", "sha256"])
def test_repeated_member_of_the_manifest_is_refused(filed: Filed, member: str) -> None:
    text = filed.files["manifest.json"].replace(f'"{member}":'.encode(), f'"{member}": 1, "{member}":'.encode(), 1)
    report = filed.verify({**filed.files, "manifest.json": text})
    assert (report.exit_code, report.manifest) == (3, None)


def test_signer_that_did_not_sign_is_named(filed: Filed) -> None:
    files = with_manifest(filed.files, lambda manifest: manifest["events"][0]["signers"].append("bank+00000000"))
    assert "bank+00000000" in filed.findings(files)[f"proofs/{filed.event}.proof.json"]


def test_number_of_events_is_compared(filed: Filed) -> None:
    files = with_manifest(filed.files, lambda manifest: manifest["counts"].update(selected=3))
    assert "3 events" in filed.findings(files)["manifest.json"]


@pytest.mark.parametrize("name", ["index.html", "verification.html"])
def test_pack_without_its_pages_is_refused(filed: Filed, name: str) -> None:
    files = {each: content for each, content in filed.files.items() if each != name}
    assert "is missing" in filed.findings(relisted(files))[name]


@pytest.mark.parametrize("name", ["index.html", "verification.html"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: b"<script>alert(1)</script>", id="other page"),
        pytest.param(lambda page: b"<script>alert(1)</script>" + page, id="before"),
        pytest.param(lambda page: page.replace(b"default-src 'none'", b"default-src *", 1), id="other policy"),
        pytest.param(lambda page: page.replace(b"<head>", b"<head><script>alert(1)</script>", 1), id="in the head"),
        pytest.param(lambda page: page.replace(b'lang="en"', b'lang="en" onfocus="alert(1)"', 1), id="handler"),
        pytest.param(lambda page: page.replace(b'charset="utf-8"', b'charset="utf-7"', 1), id="other characters"),
        pytest.param(
            lambda page: page.replace(b"</main>", b'<META content=">" http-equiv=refresh></main>'), id="refresh"
        ),
        pytest.param(lambda page: page.replace(b"<title>", b"<link rel=preconnect href=//x><title>", 1), id="link"),
        pytest.param(lambda page: b"\xff\xfe" + page.decode().encode("utf-16-le"), id="utf-16"),
    ],
)
def test_page_that_could_run_scripts_is_refused(filed: Filed, name: str, change: Callable[[bytes], bytes]) -> None:
    files = relisted({**filed.files, name: change(filed.files[name])})
    assert "scripts" in filed.findings(files)[name]


def test_pack_of_no_event_is_refused(filed: Filed) -> None:
    files = {name: content for name, content in filed.files.items() if "/" not in name}

    def change(manifest: dict[str, Any]) -> None:
        manifest["events"], manifest["counts"]["selected"] = [], 0

    assert filed.verify(relisted(with_manifest(files, change))).exit_code == 3

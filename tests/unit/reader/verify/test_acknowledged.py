from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.format.proof.acknowledgement import Acknowledgement, sign_acknowledgement
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy
from telemetry.reader.verify.acknowledged import AcknowledgedFindings, BelievedAcknowledgement
from telemetry.reader.verify.verdicts import Finding, Verdict
from tests.support.written_trail import Signer

AUDITOR, SERVICE = Signer(1, "auditor"), Signer(2, "payments")
NOW = datetime(2026, 11, 30, tzinfo=UTC)
STREAM = "0198c0de-1111-7222-8333-444455556666"
SOURCE = "/production/payments"
ALTERED = Finding(Verdict.TAMPERED, "not what was signed", first=3, last=3, place="audit-events[0]@9", leaf="ab" * 32)
POLICY = TrustPolicy(
    (
        TrustedKey(public=AUDITOR.public, roles=frozenset({Role.AUDITOR}), sources=("/*/*",)),
        TrustedKey(public=SERVICE.public, roles=frozenset({Role.SERVICE}), sources=("/*/*",)),
    )
)


def _file(folder: Path, *findings: str, signer: Signer = AUDITOR, expires: str = "2027-01-01T00:00:00Z") -> Path:
    note = sign_acknowledgement(
        Acknowledgement(
            author="Jane", time="2026-11-01T00:00:00Z", expires=expires, reason="INC-77", findings=findings
        ),
        signer,
    )
    file = folder / f"{signer.name}.ack"
    file.write_text(note)
    return file


def test_exactly_the_named_finding_is_covered(tmp_path: Path) -> None:
    known = AcknowledgedFindings.load([_file(tmp_path, ALTERED.id_in(STREAM))], policy=POLICY, now=NOW)

    assert known.covers(ALTERED, STREAM, SOURCE)
    assert not known.covers(ALTERED, STREAM.replace("1", "2"), SOURCE)
    for change in ({"first": 4, "last": 4}, {"verdict": Verdict.MISSING}, {"leaf": "cd" * 32}, {"field": "key"}):
        values = {name: getattr(ALTERED, name) for name in Finding.__slots__} | change
        assert not known.covers(Finding(**values), STREAM, SOURCE)


def test_copy_of_an_acknowledged_record_elsewhere_stays_covered(tmp_path: Path) -> None:
    known = AcknowledgedFindings.load([_file(tmp_path, ALTERED.id_in(STREAM))], policy=POLICY, now=NOW)
    values = {name: getattr(ALTERED, name) for name in Finding.__slots__} | {"place": "audit-events[0]@12"}

    assert known.covers(Finding(**values), STREAM, SOURCE)


def test_expired_acknowledgement_counts_no_more(tmp_path: Path) -> None:
    file = _file(tmp_path, ALTERED.id_in(STREAM), expires="2026-11-30T00:00:00Z")
    known = AcknowledgedFindings.load([file], policy=POLICY, now=NOW)

    assert not known.covers(ALTERED, STREAM, SOURCE)
    assert "expired on 2026-11-30" in known.notes()[0]


def test_service_key_cannot_acknowledge(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has the role service"):
        AcknowledgedFindings.load([_file(tmp_path, "0" * 32, signer=SERVICE)], policy=POLICY, now=NOW)


def test_stranger_cannot_acknowledge(tmp_path: Path) -> None:
    file = _file(tmp_path, "0" * 32, signer=Signer(9, "stranger"))
    with pytest.raises(ConfigurationError, match="no trusted key signed"):
        AcknowledgedFindings.load([file], policy=POLICY, now=NOW)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"x" * 100_000, b"hello\n\n\xe2\x80\x94 auditor AAAAAAAA\n"],
    ids=["empty", "bytes", "long", "other"],
)
def test_file_that_is_no_acknowledgement(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not believed"):
        AcknowledgedFindings.load([file], policy=POLICY, now=NOW)


def test_day_that_no_calendar_has(tmp_path: Path) -> None:
    file = _file(tmp_path, "0" * 32, expires="2027-02-30T00:00:00Z")
    with pytest.raises(ConfigurationError, match="is not believed"):
        AcknowledgedFindings.load([file], policy=POLICY, now=NOW)


def test_finding_about_the_whole_trail_needs_an_auditor_of_all_sources() -> None:
    acknowledgement = Acknowledgement(
        author="x",
        time="2026-11-01T00:00:00Z",
        expires="2099-01-01T00:00:00Z",
        reason="x",
        findings=(ALTERED.id_in(""),),
    )

    covered = [
        AcknowledgedFindings([BelievedAcknowledgement(acknowledgement, sources)], now=NOW).covers(ALTERED, "", "")
        for sources in (("/*/*",), ("/production/*",), ("/production/payments",))
    ]

    assert covered == [True, False, False]

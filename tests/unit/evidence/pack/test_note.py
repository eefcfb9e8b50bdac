from __future__ import annotations

import hashlib

import pytest

from telemetry.evidence.pack.note import parse_manifest_note, require_manifest, sign_manifest
from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.acknowledgement import parse_acknowledgement
from telemetry.format.proof.checkpoint import read_unverified
from telemetry.format.proof.signed_note import require_signed
from tests.support.written_trail import Signer

AUDITOR = Signer(3, "auditor")
TIME = "2026-03-31T16:20:00Z"


def test_note_says_digest_and_time() -> None:
    note, stated = parse_manifest_note(sign_manifest(b"manifest", AUDITOR, time=TIME))
    assert note.text == f"telemetry-evidence/1\nmanifest {hashlib.sha256(b'manifest').hexdigest()}\ntime {TIME}\n"
    assert require_signed(note, [AUDITOR.public]) == (AUDITOR.public,)
    assert stated.time == TIME
    require_manifest(stated, b"manifest")
    with pytest.raises(TamperedError):
        require_manifest(stated, b"manifests")


def test_note_is_no_note_of_another_kind() -> None:
    text = sign_manifest(b"manifest", AUDITOR, time=TIME).decode()
    for parse in (parse_acknowledgement, read_unverified):
        with pytest.raises(FormatError):
            parse(text)


@pytest.mark.parametrize("time", ["", "now", "2026-03-31", "2026-03-31T16:20:00+01:00", "2026-03-31T16:20:00Z\nmore x"])
def test_time_that_is_none_is_not_signed(time: str) -> None:
    with pytest.raises(FormatError):
        sign_manifest(b"manifest", AUDITOR, time=time)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"telemetry-evidence/1", b"telemetry-evidence/2"),
        (b"manifest ", b"Manifest "),
        (b"\ntime ", b"\nmore x\ntime "),
        (b"Z\n", b"Z\nmore x\n"),
        (b"manifest ", b"manifest A"),
        (b"Z\n", b"Z \n"),
    ],
)
def test_note_in_another_form_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(FormatError):
        parse_manifest_note(sign_manifest(b"manifest", AUDITOR, time=TIME).replace(old, new, 1))


@pytest.mark.parametrize("data", [b"", b"\xff", b"x" * (1 << 20)])
def test_rubbish_is_no_note(data: bytes) -> None:
    with pytest.raises(FormatError):
        parse_manifest_note(data)

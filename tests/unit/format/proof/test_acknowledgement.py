from __future__ import annotations

from dataclasses import replace

import pytest

from telemetry.exceptions import FormatError
from telemetry.format.proof.acknowledgement import (
    MAX_FINDINGS,
    Acknowledgement,
    parse_acknowledgement,
    sign_acknowledgement,
)
from telemetry.format.proof.signed_note import require_signed, sign_note
from tests.support.written_trail import Signer

SIGNER = Signer(1, "auditor")
LOOKED_INTO = Acknowledgement(
    author="Jane Doe",
    time="2026-11-30T01:02:03Z",
    expires="2027-11-30T00:00:00Z",
    reason="disk of broker 2 was lost, INC-77",
    findings=("0" * 32, "a1" * 16),
)


def test_acknowledgement_is_read_as_it_was_signed() -> None:
    note, acknowledgement = parse_acknowledgement(sign_acknowledgement(LOOKED_INTO, SIGNER))

    assert acknowledgement == LOOKED_INTO
    assert require_signed(note, [SIGNER.public]) == (SIGNER.public,)


@pytest.mark.parametrize(
    "change",
    [
        {"author": ""},
        {"author": "a\nreason none"},
        {"reason": " "},
        {"reason": "x" * 1_001},
        {"expires": "2027-11-30"},
        {"time": "yesterday"},
        {"findings": ()},
        {"findings": ("0" * 31,)},
        {"findings": ("A1" * 16,)},
        {"findings": ("0" * 32,) * (MAX_FINDINGS + 1)},
    ],
)
def test_text_that_the_format_cannot_carry(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        sign_acknowledgement(replace(LOOKED_INTO, **change), SIGNER)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "telemetry-acknowledgement/2\nauthor a\n",
        "telemetry-acknowledgement/1\n",
        "telemetry-acknowledgement/1\nauthor a\ntime 2026-11-30T01:02:03Z\nreason r\nexpires 2027-11-30T00:00:00Z\n",
        "telemetry/production/payments\n3\n",
    ],
)
def test_note_that_says_something_else(text: str) -> None:
    with pytest.raises(FormatError):
        parse_acknowledgement(sign_note(text, SIGNER))

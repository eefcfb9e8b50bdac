from __future__ import annotations

from typing import Any

import pytest

from telemetry.archive.upkeep.holds.hold import HOLD_LINE, Hold, Release, parse_statement, sign_statement
from telemetry.exceptions import FormatError
from telemetry.format.proof.signed_note import sign_note
from tests.support.sealed_archive import ARCHIVE, ARCHIVER

ID = "019c1180-09ad-7383-9790-0a5e588d6c7f"
HASH = "k" * 22


def a_hold(**parts: Any) -> Hold:
    fixed = {"id": ID, "archive": ARCHIVE, "time": "2024-01-01T00:00:00Z", "by": "dora", "reason": "case 17"}
    return Hold(**{**fixed, **parts})


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"keyhashes": (HASH, "_-" * 11), "service": "shop"},
        {"event_type": "order.paid", "since": "2024-01-01T00:00:00Z", "until": "2024-02-01T00:00:00.5Z"},
        {"reason": "línea \u2028 \x1b[31m", "by": "a\nb"},
    ],
)
def test_hold_comes_back(parts: dict[str, Any]) -> None:
    hold = a_hold(**parts)

    note, read = parse_statement(sign_statement(hold, ARCHIVER), Hold)

    assert read == hold
    assert note.text.startswith(f"{HOLD_LINE}\n")
    assert "alice" not in note.text


def test_release_is_no_hold() -> None:
    release = Release(id=ID, archive=ARCHIVE, time="2024-01-01T00:00:00Z", by="dora", reason="closed")
    data = sign_statement(release, ARCHIVER)

    assert parse_statement(data, Release)[1] == release
    with pytest.raises(FormatError, match="no note that begins"):
        parse_statement(data, Hold)


@pytest.mark.parametrize(
    "parts",
    [
        {"id": "x"},
        {"id": "018f3b1c-0000-4000-8000-00000000a000"},
        {"archive": "../a"},
        {"time": "2024-02-30T00:00:00Z"},
        {"time": "yesterday"},
        {"since": "2024-13-01T00:00:00Z"},
        {"by": " "},
        {"reason": "x" * 1_001},
        {"keyhashes": ("alice:shop",)},
        {"service": "x" * 1_001},
        {"version": 2},
    ],
)
def test_other_forms_are_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        sign_statement(a_hold(**parts), ARCHIVER)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"id":1}',
        "[" * 5_000,
        f'{{{{"id":"{ID}","extra":1}}}}',
        "x" * 70_000,
    ],
)
def test_rubbish_is_refused(body: str) -> None:
    text = f"{HOLD_LINE}\n{body}\n"
    data = sign_note(text, ARCHIVER).encode() if len(text) < 60_000 else text.encode()

    with pytest.raises(FormatError):
        parse_statement(data, Hold)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(FormatError):
        parse_statement(b"\xff\xfe", Hold)

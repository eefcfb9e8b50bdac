from __future__ import annotations

import json

import pytest

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.merkle import Frontier, leaf_hash, tree_root
from telemetry.format.roster.roster import (
    MAX_ENTRIES,
    MAX_ENTRIES_BYTES,
    MAX_ROSTER_BYTES,
    decode_roster,
    encode_roster,
    is_signed_by,
    origin_of,
    sign_roster,
)
from tests.support.rosters import WITNESS, Witnessing, read_up_to
from tests.support.written_trail import Signer

TIME = "2026-01-02T03:04:05.000000Z"


def _second() -> bytes:
    log = Witnessing()
    log.sign(read_up_to(5), read_up_to(3, partition=1))
    log.sign(read_up_to(9, start=5))
    return log.documents[1]


def test_roster_is_read_as_it_was_written() -> None:
    log = Witnessing()
    for end in range(1, 8):
        log.sign(read_up_to(end, start=end - 1))

    assert [decode_roster(document) for document in log.documents] == log.rosters
    assert all(is_signed_by(roster, WITNESS.public) for roster in log.rosters)


def test_root_is_that_of_all_leaves() -> None:
    log = Witnessing()
    texts = [str(read_up_to(end)) for end in range(1, 6)]
    log.sign(*texts[:2])
    roster = log.sign(*texts[2:])

    assert roster.root == tree_root(leaf_hash(text.encode()) for text in texts)
    assert roster.name == "00000000000000000002.roster"


def test_note_is_a_checkpoint_of_the_log() -> None:
    note = decode_roster(_second()).note.split("\n")

    assert note[:2] == ["telemetry-witness/witness", "3"]
    assert note[3].startswith("time 2026-")


@pytest.mark.parametrize("name", ["witness", "telemetry-witness/witness"])
def test_key_may_be_named_after_its_log(name: str) -> None:
    assert origin_of(name) == "telemetry-witness/witness"


def test_altered_leaf_is_found() -> None:
    document = _second().replace(b"range audit-events 0 0 5 9", b"range audit-events 0 0 5 8")

    with pytest.raises(TamperedError):
        decode_roster(document)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("version", 2),
        ("format", "telemetry-proof"),
        ("start", 1),
        ("start", -1),
        ("frontier", ""),
        ("frontier", "AA=="),
        ("leaves", []),
        ("leaves", ["one", "two"]),
        ("note", "no note"),
        ("timestamp", "?"),
        ("more", 1),
    ],
)
def test_document_in_another_form_is_refused(member: str, value: object) -> None:
    document = json.loads(_second()) | {member: value}

    with pytest.raises(FormatError):
        decode_roster(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b" " * (MAX_ROSTER_BYTES + 1)])
def test_junk_is_no_roster(data: bytes) -> None:
    with pytest.raises(FormatError):
        decode_roster(data)


def test_spaces_make_another_document() -> None:
    with pytest.raises(FormatError):
        decode_roster(_second() + b" ")


@pytest.mark.parametrize("texts", [[], ["x"] * (MAX_ENTRIES + 1), ["x" * MAX_ENTRIES_BYTES, "y"], ["two\nlines"]])
def test_roster_that_nobody_could_read_is_not_signed(texts: list[str]) -> None:
    with pytest.raises(FormatError):
        sign_roster(Frontier(), texts, time=TIME, signer=WITNESS)


def test_time_that_no_calendar_has_is_not_signed() -> None:
    with pytest.raises(FormatError):
        sign_roster(Frontier(), ["x"], time="2026-02-30T00:00:00Z", signer=WITNESS)


@pytest.mark.parametrize("signer", [Signer(8, "witness"), Signer(7, "other")])
def test_roster_of_another_key_is_not_its_own(signer: Signer) -> None:
    assert not is_signed_by(decode_roster(_second()), signer.public)


def test_timestamp_travels_with_the_roster() -> None:
    roster = decode_roster(_second()).with_timestamp(b"token")

    assert decode_roster(encode_roster(roster)).timestamp == b"token"

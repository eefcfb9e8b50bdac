"""Signed notes: what one may contain, and signatures that must be refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.signed_note import PublicKey, open_note, parse_note, sign_note, verify_note

TEXT = "If you think cryptography is the answer,\n\nthen you do not know the question.\n"


class Key:
    """A signer of the tests; the same seed gives the same key."""

    def __init__(self, seed: int, name: str = "audit.example/log") -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.name = name
        self.public = PublicKey(name, self._private.public_key().public_bytes_raw())
        self.public_key = str(self.public)

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


OURS = Key(1)


def test_a_note_opens_with_its_key() -> None:
    assert open_note(sign_note(TEXT, OURS), [Key(2).public, OURS.public]) == TEXT


def test_the_text_may_have_empty_lines() -> None:
    note = parse_note(sign_note("a\n\n\nb\n", OURS))
    assert note.text == "a\n\n\nb\n"


def test_changed_text_is_found() -> None:
    note = sign_note(TEXT, OURS).replace("answer", "Answer")
    with pytest.raises(TamperedError, match="altered or forged"):
        open_note(note, [OURS.public])


def test_forged_with_another_key_of_this_name() -> None:
    with pytest.raises(TamperedError, match="no trusted key"):
        open_note(sign_note(TEXT, Key(2)), [OURS.public])


def test_foreign_signature_under_our_key_id() -> None:
    forged = base64.b64encode(OURS.public.key_id + Key(2).sign(TEXT.encode())).decode()
    with pytest.raises(TamperedError, match="altered or forged"):
        open_note(f"{TEXT}\n\u2014 {OURS.name} {forged}\n", [OURS.public])


def test_signatures_of_unknown_keys_are_ignored() -> None:
    note = sign_note(TEXT, Key(3, "witness.example")) + sign_note(TEXT, OURS).rpartition("\n\n")[2]
    assert open_note(note, [OURS.public]) == TEXT
    assert verify_note(parse_note(note), [OURS.public, Key(3, "witness.example").public])[0].name == "witness.example"


def test_one_false_signature_spoils_the_note() -> None:
    other = Key(3, "witness.example")
    false = base64.b64encode(other.public.key_id + bytes(64)).decode()
    note = sign_note(TEXT, OURS) + f"\u2014 {other.name} {false}\n"
    with pytest.raises(TamperedError, match="altered or forged"):
        open_note(note, [OURS.public, other.public])


def test_notes_of_both_keys_after_rotation() -> None:
    old, new = Key(1, "payments-2025"), Key(2, "payments-2026")
    for key in (old, new):
        assert open_note(sign_note(TEXT, key), [old.public, new.public]) == TEXT


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text only\n",
        "text\n\n",
        "text\n\nnot a signature\n",
        "text\n\n\u2014 name c2hvcnQ\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 na+me AAAAAAAA\n",
        "text\n\n\u2014 two names AAAAAAAA\n",
        "text\n\n\u2014 name AAAAAAAA",
        "te\txt\n\n\u2014 name AAAAAAAA\n",
        "text\r\n\n\u2014 name AAAAAAAA\n",
        "te\ud800xt\n\n\u2014 name AAAAAAAA\n",
        "text\n\n" + "\u2014 name AAAAAAAA\n" * 65,
        "x" * 70_000 + "\n\n\u2014 name AAAAAAAA\n",
    ],
)
def test_malformed_note_is_refused(note: str) -> None:
    with pytest.raises(FormatError):
        parse_note(note)


def test_sixteen_signatures_are_accepted() -> None:
    note = sign_note(TEXT, OURS)
    line = note.rpartition("\n\n")[2]
    assert len(parse_note(note + line * 15).signatures) == 16


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "\ud800\n"])
def test_unfit_text_is_not_signed(text: str) -> None:
    with pytest.raises(FormatError):
        sign_note(text, OURS)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "tab\t", "no\u00a0break", "x" * 256, "\ud800", "line\n"])
def test_unfit_key_name_is_refused(name: str) -> None:
    with pytest.raises(FormatError):
        PublicKey(name, bytes(32))


def test_public_key_round_trip() -> None:
    assert PublicKey.parse(str(OURS.public)) == OURS.public
    assert PublicKey.parse(f" {OURS.public}\n") == OURS.public


@pytest.mark.parametrize("part", [0, 1, 2])
def test_an_altered_public_key_is_refused(part: int) -> None:
    parts = OURS.public_key.split("+", 2)
    parts[part] = {0: "other", 1: "00000000", 2: parts[2][:-2] + "A="}[part]
    with pytest.raises(FormatError):
        PublicKey.parse("+".join(parts))


@pytest.mark.parametrize("text", ["", "name", "name+id", "name+00000000+AgEB", "name+00000000+%%%"])
def test_malformed_public_key_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        PublicKey.parse(text)

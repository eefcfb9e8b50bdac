"""Notes that other implementations have signed and published."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.signed_note import PublicKey, open_note, parse_note, sign_note, verify_note

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "signed_note.json").read_text("utf-8"))
KEYS = {name: PublicKey.parse(key["verifier"]) for name, key in VECTORS["keys"].items()}
NOTES = [
    vector["text"] + "\n" + "".join(f"\u2014 {line}\n" for line in vector["signatures"]) for vector in VECTORS["notes"]
]


class PublishedKey:
    """The published private key of the example."""

    name = "PeterNeumann"
    public_key = str(KEYS["PeterNeumann"])

    def __init__(self) -> None:
        seed = base64.b64decode(VECTORS["keys"][self.name]["seed"])[1:]
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


@pytest.mark.parametrize("name", KEYS)
def test_published_keys_round_trip(name: str) -> None:
    assert KEYS[name].name == name
    assert str(KEYS[name]) == VECTORS["keys"][name]["verifier"]


def test_signature_equals_the_published_one() -> None:
    assert sign_note(VECTORS["notes"][0]["text"], PublishedKey()) == NOTES[0]


@pytest.mark.parametrize("note", NOTES)
def test_published_notes_open(note: str) -> None:
    assert open_note(note, list(KEYS.values())) == VECTORS["notes"][0]["text"]
    signed = verify_note(parse_note(note), list(KEYS.values()))
    assert [key.name for key in signed] == [line.name for line in parse_note(note).signatures]


@pytest.mark.parametrize("note", NOTES)
def test_any_changed_bit_is_refused(note: str) -> None:
    data = note.encode()
    for at in range(len(data)):
        altered = (data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode("utf-8", "surrogateescape")
        try:
            assert open_note(altered, list(KEYS.values())) == VECTORS["notes"][0]["text"]
        except (FormatError, TamperedError):
            continue
        # Only the name or id of one of two signers may change: it is an unknown key then, and the other one has signed.
        assert len(parse_note(note).signatures) > 1


@pytest.mark.parametrize("note", VECTORS["unsigned_by_us"])
def test_published_examples_parse(note: str) -> None:
    parsed = parse_note(note)
    assert parsed.text + "\n" + f"\u2014 {parsed.signatures[0].name} " == note[: note.rindex(" ") + 1]
    with pytest.raises(TamperedError, match="no trusted key"):
        open_note(note, list(KEYS.values()))

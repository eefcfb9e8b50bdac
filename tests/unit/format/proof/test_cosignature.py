from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.exceptions import FormatError
from telemetry.format import canonical_base64
from telemetry.format.proof.cosignature import COSIGNATURE, CosignerKey
from telemetry.format.proof.signed_note import parse_note
from tests.support.rosters import Witnessing, read_up_to

_PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
KEY = CosignerKey("witness.example", _PRIVATE.public_key().public_bytes_raw())
TIME = 1_770_000_000


def cosigned(note: str, *, time: int = TIME, name: str = KEY.name) -> str:
    text = note.rpartition("\n\n")[0] + "\n"
    signature = _PRIVATE.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    encoded = canonical_base64.encode(KEY.key_id + time.to_bytes(8, "big") + signature)
    return f"\u2014 {name} {encoded}\n"


def _note() -> str:
    return Witnessing().sign(read_up_to(1)).note


def test_cosignature_says_when() -> None:
    note = _note()

    assert KEY.cosigned_at(parse_note(note + cosigned(note))) == TIME
    assert KEY.cosigned_at(parse_note(note)) is None


def test_cosignature_of_another_text_is_none() -> None:
    note, other = _note(), Witnessing().sign(read_up_to(2)).note

    assert KEY.cosigned_at(parse_note(note + cosigned(other))) is None


def test_time_is_signed() -> None:
    note = _note()
    line = cosigned(note)
    data = bytearray(canonical_base64.decode(line.strip().split(" ")[2]) or b"")
    data[11] ^= 1

    altered = f"\u2014 {KEY.name} {canonical_base64.encode(bytes(data))}\n"

    assert KEY.cosigned_at(parse_note(note + altered)) is None


def test_other_name_is_another_witness() -> None:
    note = _note()

    assert KEY.cosigned_at(parse_note(note + cosigned(note, name="other.example"))) is None


def test_verifier_key_is_read() -> None:
    text = f"{KEY.name}+{KEY.key_id.hex()}+{canonical_base64.encode(COSIGNATURE + KEY.key)}"

    assert CosignerKey.parse(text) == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "witness.example",
        f"{KEY.name}+00000000+{canonical_base64.encode(COSIGNATURE + KEY.key)}",
        f"{KEY.name}+{KEY.key_id.hex()}+{canonical_base64.encode(bytes([1]) + KEY.key)}",
        f"{KEY.name}+{KEY.key_id.hex()}+{canonical_base64.encode(COSIGNATURE + KEY.key[:-1])}",
    ],
)
def test_other_text_is_no_verifier_key(text: str) -> None:
    with pytest.raises(FormatError):
        CosignerKey.parse(text)

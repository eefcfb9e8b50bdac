"""Rosters: the published bytes, read here, and by hand from the page."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.roster import decode_roster, encode_roster, is_signed_by
from tests.vectors.make_roster import make

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "roster.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS["rosters"], ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_vectors() -> None:
    assert make() == VECTORS


@each_vector
def test_published_roster_is_read(vector: dict[str, Any]) -> None:
    roster = decode_roster(vector["document"].encode())

    assert is_signed_by(roster, PublicKey.parse(VECTORS["public_key"]))
    assert (roster.name, roster.root.hex()) == (vector["object"], vector["root"])
    assert encode_roster(roster).decode() == vector["document"]


@each_vector
def test_note_is_verified_by_hand(vector: dict[str, Any]) -> None:
    text, _, signature = json.loads(vector["document"])["note"].rpartition("\n\n")
    origin, size, root, *_ = text.split("\n")
    packed = base64.b64decode(signature.strip().split(" ")[2])

    Ed25519PublicKey.from_public_bytes(base64.b64decode(VECTORS["public_key"].split("+", 2)[2])[1:]).verify(
        packed[4:], f"{text}\n".encode()
    )
    assert origin == "telemetry-witness/vectors"
    assert base64.b64decode(root).hex() == vector["root"]
    leaves = [leaf for each in VECTORS["rosters"] for leaf in json.loads(each["document"])["leaves"]]
    assert (
        _root([hashlib.sha256(b"\x00" + leaf.encode()).digest() for leaf in leaves[: int(size)]]).hex()
        == vector["root"]
    )


def _root(hashes: list[bytes]) -> bytes:
    """Return MTH of RFC 6962 section 2.1, from leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + _root(hashes[:split]) + _root(hashes[split:])).digest()

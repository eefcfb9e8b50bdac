"""Seals: the published bytes, read here, and by hand from the page."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.format.archive.seal_note import decode_seal, seal_digest, seal_name, seal_text
from telemetry.format.proof.signed_note import PublicKey, open_note
from tests.vectors.make_seal import make

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "seal.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS["seals"], ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_vectors() -> None:
    assert make() == VECTORS


@each_vector
def test_published_seal_is_read(vector: dict[str, Any]) -> None:
    note, seal = decode_seal(vector["note"].encode())

    assert open_note(vector["note"], [PublicKey.parse(VECTORS["public_key"])]) == note.text == seal_text(seal)
    assert (seal_name(seal.number), seal_digest(vector["note"].encode())) == (vector["object"], vector["sha256"])


def test_chain_is_verified_by_hand() -> None:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(VECTORS["public_key"].split("+", 2)[2])[1:])
    live: dict[str, Any] = {}
    positions: dict[str, int] = {}
    previous, records = "", 0
    for number, vector in enumerate(VECTORS["seals"]):
        text, _, line = vector["note"].rpartition("\n\n")
        key.verify(base64.b64decode(line.strip().split(" ")[2])[4:], f"{text}\n".encode())
        first, body = text.split("\n")
        seal = json.loads(body)
        assert (first, seal["number"], seal["previous"]) == ("telemetry archive seal v1", number, previous)
        for name in seal["removed"]:
            del live[name]
        live.update({file["name"]: file for file in seal["added"]})
        for part in sorted(seal["ranges"] + seal["gaps"], key=lambda part: (part["partition"], part["first"])):
            assert part["first"] == positions.get(str(part["partition"]), part["first"])
            positions[str(part["partition"])] = part["end"]
        records += sum(file["rows"] for file in seal["added"]) if seal["kind"] in ("append", "adopt") else 0
        assert seal["rows"] == sum(file["rows"] for file in live.values())
        assert seal["records"] == records
        assert seal["positions"]["audit-events"] == {"2": 0} | positions
        assert seal["live"] == ([live[name] for name in sorted(live)] if number % 64 == 0 else None)
        previous = hashlib.sha256(vector["note"].encode()).hexdigest()

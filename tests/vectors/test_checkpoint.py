"""Checkpoints of both versions: the published bytes, read here, by the rules of version 1, and by hand from the page."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.format.proof.checkpoint import open_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.signed_note import PublicKey
from tests.vectors.make_checkpoint import make, value_of

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "checkpoint.json").read_text("utf-8"))
KEY = PublicKey.parse(VECTORS["public_key"])

each_vector = pytest.mark.parametrize("vector", VECTORS["checkpoints"], ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_vectors() -> None:
    assert make() == VECTORS


@each_vector
def test_published_checkpoint_is_read(vector: dict[str, Any]) -> None:
    message = decode_checkpoint_message(vector["value"].encode())
    assert message is not None
    assert message.data == vector["note"]
    checkpoint = open_checkpoint(message.data, [KEY])
    assert (checkpoint.time, checkpoint.source, checkpoint.producer) == (message.time, message.source, message.producer)
    if (header := vector["telemetry-leaves"]) is None:
        assert checkpoint.interval in (None, checkpoint.size)
        return
    leaves = IntervalLeaves.decode(bytes.fromhex(header), checkpoint)
    assert (leaves.start, leaves.end) == (checkpoint.interval, checkpoint.size)
    for sequence in range(leaves.start, leaves.end):
        assert leaves.leaf(sequence) == hashlib.sha256(b"\x00" + value_of(sequence)).digest()


@each_vector
def test_reader_of_version_1_accepts_it(vector: dict[str, Any]) -> None:
    """The rules of version 1 alone: what is in the first lines, a signature, and further lines that mean nothing to it."""
    text, _, signature = vector["note"].rpartition("\n\n")
    lines = text.split("\n")
    assert 4 <= len(lines) <= 3 + 64
    assert all(lines)
    assert not set(vector["note"]) & set("\x00\r\t")
    assert lines[0] == "telemetry/production/shop/018f3b1c-0000-7000-8000-000000000001"
    known = [line.partition(" ")[0] for line in lines[3:]]
    for name in ("time", "final", "recovered", "frontier"):
        assert known.count(name) <= 1
    members = list(json.loads(vector["value"]))
    assert members == ["specversion", "source", "datacontenttype", "producer", "id", "time", "type", "data"]
    assert json.loads(vector["value"])["type"] == "telemetry.checkpoint"
    signed = base64.b64decode(signature.split(" ")[2])
    Ed25519PublicKey.from_public_bytes(KEY.key).verify(signed[4:], text.encode() + b"\n")
    assert base64.b64decode(lines[2]) == root([leaf(sequence) for sequence in range(int(lines[1]))])


@each_vector
def test_header_is_what_the_page_says(vector: dict[str, Any]) -> None:
    lines = vector["note"].split("\n")
    start = next((int(line[9:]) for line in lines if line.startswith("interval ")), None)
    size = int(lines[1])
    if start is None or start == size:
        assert vector["telemetry-leaves"] is None
        return
    subtrees, first = b"", 0
    for bit in reversed(range(start.bit_length())):
        if start >> bit & 1:
            subtrees += root([leaf(sequence) for sequence in range(first, first + (1 << bit))])
            first += 1 << bit
    leaves = b"".join(leaf(sequence) for sequence in range(start, size))
    assert vector["telemetry-leaves"] == (b"\x01" + start.to_bytes(8, "big") + subtrees + leaves).hex()


def leaf(sequence: int) -> bytes:
    return hashlib.sha256(b"\x00" + value_of(sequence)).digest()


def root(leaves: list[bytes]) -> bytes:
    """Return MTH of RFC 6962 section 2.1, as it is written there."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()

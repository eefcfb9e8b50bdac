"""The published entries of sealed segments are those that this version writes, and open step by step as docs/format.md says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.vectors.make_spool_segment import make

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "spool_segment.json").read_text("utf-8"))
ZEROS = bytes(16)

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_vectors() -> None:
    assert make() == VECTORS


def _hkdf(secret: bytes, *, info: bytes, salt: bytes = bytes(32)) -> bytes:
    # RFC 5869 in two lines: 32 bytes need one block.
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@each_vector
def test_first_entry_opens_as_specified(vector: dict[str, Any]) -> None:
    about = msgspec.msgpack.decode(base64.b64decode(vector["about"]))
    version, producer, topic, source, key_id, salt, *_, box = about
    root = _hkdf(base64.b64decode(vector["storage_secret"]), info=b"telemetry storage root v1")
    key = _hkdf(root, info=b"telemetry storage key v1\x00spool", salt=salt)

    assert (version, producer, topic, source) == (4, vector["producer"], vector["topic"], "")
    assert key_id == _hkdf(root, info=b"telemetry storage id v1")[:8].hex()
    assert vector["segment_key"] == key.hex()
    bound = b"\x00" + msgspec.msgpack.encode([*about[:-1], b""])
    assert AESGCM(key).decrypt(box[:12], box[12:], bound).decode() == vector["source"]


@each_vector
def test_rows_open_as_specified(vector: dict[str, Any]) -> None:
    cipher = AESGCM(bytes.fromhex(vector["segment_key"]))
    about, before, sequences = hashlib.sha256(base64.b64decode(vector["about"])).digest(), ZEROS, []
    for number, text in enumerate(vector["rows"], 1):
        row = base64.b64decode(text)
        assert row[:24] == number.to_bytes(8, "big") + before
        content = cipher.decrypt(row[24:36], row[36:], b"\x01" + about + row[:24])
        _progress, written, _head, _header, sealed = msgspec.msgpack.decode(content)
        sequences += [each[0] for each in (*written, *sealed)]
        before = row[-16:]
    assert sequences == [number for records in vector["records"] for number in records]

    note = base64.b64decode(vector["progress"])
    assert note[:24] == len(vector["rows"]).to_bytes(8, "big") + before
    progress = msgspec.msgpack.decode(cipher.decrypt(note[24:36], note[36:], b"\x02" + about + note[:24]))
    assert progress[:3] == [3, 3, 3]

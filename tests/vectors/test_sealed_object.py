"""The published sealed objects are those that this version writes, and open step by step as docs/format.md says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.objects.sealed_reader import SealedObjectReader
from tests.vectors.make_sealed_object import make

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "sealed_object.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_vectors() -> None:
    assert make() == VECTORS


def _hkdf(secret: bytes, *, info: bytes, salt: bytes = bytes(32)) -> bytes:
    # RFC 5869 in two lines: 32 bytes need one block.
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@each_vector
def test_key_is_derived_as_specified(vector: dict[str, Any]) -> None:
    header = json.loads(base64.b64decode(vector["object"]).partition(b"\n")[0])
    root = _hkdf(base64.b64decode(vector["storage_secret"]), info=b"telemetry storage root v1")
    key = _hkdf(root, info=b"telemetry storage key v1\x00object", salt=base64.b64decode(header["salt"]))

    assert header["key_id"] == _hkdf(root, info=b"telemetry storage id v1")[:8].hex()
    assert vector["content_key"] == key.hex()


@each_vector
def test_object_opens_as_specified(vector: dict[str, Any]) -> None:
    data = base64.b64decode(vector["object"])
    line, _, rest = data.partition(b"\n")
    header = json.loads(line)
    leaves, sealed = rest[: 32 * header["events"]], rest[32 * header["events"] :]
    bound = hashlib.sha256(line[: line.index(b',"leaves_sha256"')]).digest()
    size, text, number = header["chunk_bytes"] + 16, b"", 0
    while sealed:
        chunk, sealed = sealed[:size], sealed[size:]
        nonce = number.to_bytes(11, "big") + (b"\x00" if sealed else b"\x01")
        text += AESGCM(bytes.fromhex(vector["content_key"])).decrypt(nonce, chunk, bound)
        number += 1

    records = [json.loads(part) for part in text.splitlines()]
    assert [(one["key"], one["value"], one.get("sequence")) for one in records] == [
        (one["key"], one["value"], one["sequence"]) for one in vector["records"]
    ]
    events = [one["value"].encode() for one in vector["records"] if one["sequence"] is not None]
    assert leaves == b"".join(hashlib.sha256(b"\x00" + value).digest() for value in events)
    assert hashlib.sha256(leaves).hexdigest() == header["leaves_sha256"]
    assert hashlib.sha256(data[len(line) + 1 + len(leaves) :]).hexdigest() == header["ciphertext_sha256"]


@each_vector
def test_header_is_signed_as_specified(vector: dict[str, Any]) -> None:
    line = base64.b64decode(vector["object"]).partition(b"\n")[0]
    if vector["public_key"] is None:
        assert b'"signature"' not in line
        return
    _, identity, key = vector["public_key"].split("+", 2)
    header, signed = json.loads(line), line[: line.rindex(b',"signature":"')]

    assert header["signer"] == identity
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key)[1:])
    public.verify(base64.b64decode(header["signature"]), b"telemetry sealed object v2\n" + signed)


@each_vector
def test_library_reads_it(vector: dict[str, Any]) -> None:
    reader = SealedObjectReader([base64.b64decode(vector["object"])])

    records = list(reader.records(bytes.fromhex(vector["content_key"])))

    assert [record.value.decode() for record in records] == [one["value"] for one in vector["records"]]
    assert records[2].headers == (("telemetry-leaves", "AQ=="),)

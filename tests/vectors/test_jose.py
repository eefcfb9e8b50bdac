"""Published JWE examples: the content encryption is theirs, and every other key management is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from joserfc import jwe as other_jwe
from joserfc.jwk import OctKey

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.value import jwe
from telemetry.format.value.jwe import Jwe

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "jose.json").read_text("utf-8"))
EXAMPLES: list[dict[str, Any]] = VECTORS["jwe"]
KEY_WRAP: dict[str, str] = VECTORS["key_wrap"]
KEY = bytes(range(32))

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["name"]))


def parts_of(compact: str) -> tuple[bytes, ...]:
    return tuple(compact.encode().split(b"."))


@each_example
def test_example_is_not_taken_for_a_record(example: dict[str, Any]) -> None:
    # RSA-OAEP, RSA1_5, A128KW, compression, and direct encryption with a shorter key: none is the one form of a record.
    with pytest.raises(MalformedRecordError):
        jwe.parse(example["compact"].encode())


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if "plaintext" in example],
    ids=lambda example: str(example["name"]),
)
def test_content_encryption_of_an_example(example: dict[str, Any]) -> None:
    protected, _, iv, ciphertext, tag = parts_of(example["compact"])
    decoded = (
        canonical_base64.decode_url(iv),
        canonical_base64.decode_url(ciphertext) + canonical_base64.decode_url(tag),
    )
    cipher, plaintext = AESGCM(bytes.fromhex(example["content_key"])), example["plaintext"].encode()

    assert jwe.open_(cipher, Jwe(protected, "", *decoded)) == plaintext
    sealed = jwe.seal(cipher, protected=protected, iv=decoded[0], plaintext=plaintext).split(b".")
    assert sealed[:3] == [protected, b"", iv]
    assert canonical_base64.decode_url(sealed[3])[: len(plaintext)] == canonical_base64.decode_url(ciphertext)
    if len(plaintext) % 3 == 0:  # else spaces follow the text
        assert (sealed[3], sealed[4]) == (ciphertext, tag)


def test_record_sealed_by_a_foreign_library() -> None:
    kid = jwe.key_id(KEY, key_uri="local-key://00", wrapped=b"wrapped")
    header = {"alg": "dir", "enc": "A256GCM", "kid": kid}

    compact = other_jwe.encrypt_compact(header, b'{"a":1}', OctKey.import_key(KEY)).encode()

    parsed = jwe.parse(compact)
    assert parsed.kid == kid
    assert jwe.open_(AESGCM(KEY), parsed) == b'{"a":1}'


def test_key_wrap_of_rfc_3394() -> None:
    # A256KW (RFC 7518 section 4.4) is what Key Vault does with an oct-HSM key, and what its fake does with this function.
    kek, data, wrapped = (bytes.fromhex(KEY_WRAP[name]) for name in ("key_encryption_key", "key_data", "wrapped"))

    assert aes_key_wrap(kek, data) == wrapped
    assert aes_key_unwrap(kek, wrapped) == data
    for at in range(len(wrapped)):
        with pytest.raises(InvalidUnwrap):
            aes_key_unwrap(kek, wrapped[:at] + bytes((wrapped[at] ^ 1,)) + wrapped[at + 1 :])


@pytest.mark.parametrize(
    "example",
    [example for example in EXAMPLES if "key_encryption_key" in example],
    ids=lambda example: str(example["name"]),
)
def test_key_wrap_of_an_example(example: dict[str, Any]) -> None:
    wrapped = canonical_base64.decode_url(parts_of(example["compact"])[1])

    assert aes_key_unwrap(bytes.fromhex(example["key_encryption_key"]), wrapped).hex() == example["content_key"]

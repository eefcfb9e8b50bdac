"""Makes ``sealed_object.json``: sealed fallback objects of fixed secrets, salts and records. Its output must never change.

Run it with ``python -m tests.vectors.make_sealed_object > tests/vectors/sealed_object.json``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.encryption.storage_secret import StorageSecret
from telemetry.format import canonical_base64
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE, ContentKey, seal_object
from telemetry.format.objects.stored_key import StoredKey
from telemetry.format.proof.signed_note import PublicKey

_SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_SALT = bytes(range(16))
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_RECORDS = (
    StoredRecord(b"ada:shop", b'{"n":0}', 4),
    StoredRecord("usuário:shop".encode(), '{"n":1,"text":"😀"}'.encode(), 5),
    StoredRecord(_PRODUCER.encode(), b'{"type":"telemetry.checkpoint"}', None, (("telemetry-leaves", "AQ=="),)),
    StoredRecord(b"ada:shop", b'{"n":3,"pad":"%b"}' % (b"x" * 1_500), 9),
)


class FixedSigner:
    """An Ed25519 key of fixed bytes."""

    name = "shop-2026"

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))

    @property
    def public_key(self) -> str:
        return str(PublicKey(self.name, self._private.public_key().public_bytes_raw()))

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


def make() -> list[dict[str, Any]]:
    """Return the vectors: what is sealed, how, and the object."""
    secret, signer = StorageSecret.of_text(_SECRET), FixedSigner()
    by_secret = StoredKey(_SALT, secret.key_id)
    wrapped = by_secret._replace(key_uri="local-key://00", wrapped=b"\x00wrapped\xff", sealed=bytes(range(60)))
    return [
        _vector("signed, by the storage secret", secret, by_secret, signer=signer),
        _vector("not signed, wrapped for a KEK too", secret, wrapped, signer=None),
    ]


def _vector(name: str, secret: StorageSecret, stored: StoredKey, *, signer: FixedSigner | None) -> dict[str, Any]:
    key = ContentKey(secret.derive(OBJECT_PURPOSE, stored.salt), stored)
    data = seal_object(
        _RECORDS,
        topic="audit-events",
        producer=_PRODUCER,
        reason="unreachable",
        key=key,
        signer=signer,
        chunk_bytes=1_024,
    )
    return {
        "name": name,
        "storage_secret": _SECRET,
        "content_key": key.plaintext.hex(),
        "public_key": None if signer is None else signer.public_key,
        "records": [
            {"key": record.key.decode(), "value": record.value.decode(), "sequence": record.sequence}
            for record in _RECORDS
        ],
        "object": canonical_base64.encode(data),
    }


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")

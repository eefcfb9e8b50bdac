"""Makes ``local_key.json``: a key file and a wrapped data key of fixed random bytes. Its output must never change.

It is written from the documents, not with the code under test. Run it with
``python -m tests.vectors.make_local_key > tests/vectors/local_key.json``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

PASSPHRASE = "Grüße, correct horse battery staple"
CONTEXT = {"service": "café", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
KEK = bytes(range(32))
NEW_KEK = bytes(range(128, 160))
DATA_KEY = bytes(range(32, 64))
_ITERATIONS = 600_000


def make() -> dict[str, Any]:
    """Return the vectors: a file with one key, and the same file after a rotation, which still opens the data key."""
    wrap_iv = bytes(range(92, 104))
    text = json.dumps(CONTEXT, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    bound = hashlib.sha256(b"telemetry local_key v1\x00" + text).digest()
    wrapped = b"\x01" + wrap_iv + AESGCM(KEK).encrypt(wrap_iv, DATA_KEY, bound)
    return {
        "key_file": _key_file(KEK, {"fingerprint": _fingerprint(KEK)}, version=1),
        "key_uri": f"local-key://{_fingerprint(KEK)}",
        "rotated_key_file": _key_file(
            NEW_KEK + KEK, {"fingerprint": _fingerprint(NEW_KEK), "earlier": _fingerprint(KEK)}, version=2
        ),
        "wrapped": wrapped.hex(),
    }


def _fingerprint(kek: bytes) -> str:
    tag = hmac.digest(kek, b"telemetry local_key fingerprint v1", "sha256")
    return hashlib.sha256(tag).hexdigest()[:32]


def _key_file(keys: bytes, public: dict[str, str], *, version: int) -> dict[str, Any]:
    salt, file_iv = bytes(range(64, 80)), bytes(range(80, 92))
    header = {
        "cipher": "AES-256-GCM",
        "iterations": _ITERATIONS,
        "iv": base64.b64encode(file_iv).decode(),
        "kdf": "PBKDF2-HMAC-SHA-256",
        "public": public,
        "purpose": "telemetry local_key",
        "salt": base64.b64encode(salt).decode(),
        "version": version,
    }
    associated = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    protector = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, _ITERATIONS)
    sealed = base64.b64encode(AESGCM(protector).encrypt(file_iv, keys, associated)).decode()
    digest = hashlib.sha256(associated + sealed.encode()).hexdigest()
    return {**header, "sealed": sealed, "sha256": digest}


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")

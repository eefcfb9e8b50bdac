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
DATA_KEY = bytes(range(32, 64))
_ITERATIONS = 600_000


def make() -> dict[str, Any]:
    """Return the vectors."""
    salt, file_iv, wrap_iv = bytes(range(64, 80)), bytes(range(80, 92)), bytes(range(92, 104))
    tag = hmac.digest(KEK, b"telemetry local_key fingerprint v1", "sha256")
    fingerprint = hashlib.sha256(tag).hexdigest()[:32]
    header = {
        "cipher": "AES-256-GCM",
        "iterations": _ITERATIONS,
        "iv": base64.b64encode(file_iv).decode(),
        "kdf": "PBKDF2-HMAC-SHA-256",
        "public": {"fingerprint": fingerprint},
        "purpose": "telemetry local_key",
        "salt": base64.b64encode(salt).decode(),
        "version": 1,
    }
    associated = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    protector = hashlib.pbkdf2_hmac("sha256", PASSPHRASE.encode(), salt, _ITERATIONS)
    sealed = base64.b64encode(AESGCM(protector).encrypt(file_iv, KEK, associated)).decode()
    digest = hashlib.sha256(associated + sealed.encode()).hexdigest()
    text = json.dumps(CONTEXT, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    bound = hashlib.sha256(b"telemetry local_key v1\x00" + text).digest()
    wrapped = b"\x01" + wrap_iv + AESGCM(KEK).encrypt(wrap_iv, DATA_KEY, bound)
    return {
        "key_file": {**header, "sealed": sealed, "sha256": digest},
        "key_uri": f"local-key://{fingerprint}",
        "wrapped": wrapped.hex(),
    }


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=2, ensure_ascii=False, sort_keys=True)
    sys.stdout.write("\n")

"""Makes ``recovery_key.json``: a data key wrapped for a fixed recovery key. Its output must never change.

HPKE (RFC 9180, base mode) is written out here from the document, with a fixed ephemeral key, and not with the code under
test. Run it with ``python -m tests.vectors.make_recovery_key > tests/vectors/recovery_key.json``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CONTEXT = {"service": "café", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
PRIVATE = bytes(range(32))
DATA_KEY = bytes(range(32, 64))
_EPHEMERAL = bytes(range(64, 96))
# DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180 section 7).
_KEM, _KDF, _AEAD = 0x0020, 0x0001, 0x0002


def make() -> dict[str, Any]:
    """Return the vector."""
    public = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
    fingerprint = hashlib.sha256(b"telemetry recovery_key fingerprint v1\x00" + public).hexdigest()[:32]
    text = json.dumps(CONTEXT, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return {
        "private_key": PRIVATE.hex(),
        "public_key": f"x25519:{base64.b64encode(public).decode()}",
        "key_uri": f"recovery-key://{fingerprint}",
        "context": CONTEXT,
        "data_key": DATA_KEY.hex(),
        "wrapped": (b"\x01" + _seal(public, b"telemetry recovery_key v1\x00" + text, DATA_KEY)).hex(),
    }


def _seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """SetupBaseS and Seal (sections 4.1, 5.1 and 5.2)."""
    ephemeral = X25519PrivateKey.from_private_bytes(_EPHEMERAL)
    enc = ephemeral.public_key().public_bytes_raw()
    kem = b"KEM" + _KEM.to_bytes(2, "big")
    peer = X25519PrivateKey.from_private_bytes(PRIVATE).public_key()
    shared = _expand(_extract(b"", b"eae_prk", ephemeral.exchange(peer), kem), b"shared_secret", enc + public, 32, kem)
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in (_KEM, _KDF, _AEAD))
    scheduled = b"\x00" + _extract(b"", b"psk_id_hash", b"", suite) + _extract(b"", b"info_hash", info, suite)
    secret = _extract(shared, b"secret", b"", suite)
    key = _expand(secret, b"key", scheduled, 32, suite)
    nonce = _expand(secret, b"base_nonce", scheduled, 12, suite)
    return enc + AESGCM(key).encrypt(nonce, plaintext, b"")


def _extract(salt: bytes, label: bytes, ikm: bytes, suite: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def _expand(prk: bytes, label: bytes, info: bytes, length: int, suite: bytes) -> bytes:
    # One block: no length here is more than that of SHA-256.
    text = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(prk, text + b"\x01", "sha256")[:length]


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")

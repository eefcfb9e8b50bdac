"""Makes ``checkpoint.json``: checkpoints of a fixed key and time. Its output must never change.

Run it with ``python -m tests.vectors.make_checkpoint > tests/vectors/checkpoint.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.format.proof.checkpoint import Checkpoint, sign_checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.relayed_runs import Run
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value import jwe

_SEED = bytes(range(32))
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_KIDS = [jwe.key_id(bytes([number]) * 32, key_uri="local-key://00", wrapped=b"wrapped") for number in range(2)]
# Name, size of the checkpoint before (None in version 1), size, the data keys, and whether the stream ends.
_CASES: tuple[tuple[str, int | None, int, tuple[KeySpan, ...], bool], ...] = (
    ("version 1", None, 5, (), False),
    ("first interval", 0, 3, (KeySpan(_KIDS[0], 0, 2),), False),
    ("two data keys", 3, 11, (KeySpan(_KIDS[0], 3, 6), KeySpan(_KIDS[1], 7, 10)), False),
    ("events in the clear", 3, 5, (), False),
    ("heartbeat", 11, 11, (), False),
    ("end", 11, 12, (KeySpan(_KIDS[1], 11, 11),), True),
    ("relayed records", 3, 11, (KeySpan(_KIDS[0], 3, 6), KeySpan(_KIDS[1], 7, 10)), False),
    ("logged through a gateway", 0, 3, (KeySpan(_KIDS[0], 0, 2),), True),
)
_VIA = {"logged through a gateway": "/production/gateway"}
_RELAYED = {"relayed records": (Run(3, 6), Run(9, 9))}


class _Signer:
    name = "vectors"

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(_SEED)
        self.public_key = str(PublicKey(self.name, self._private.public_key().public_bytes_raw()))

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


def make() -> dict[str, Any]:
    """Return the vectors."""
    signer = _Signer()
    vectors = [_vector(number, signer, *case) for number, case in enumerate(_CASES)]
    return {"seed": _SEED.hex(), "public_key": signer.public_key, "checkpoints": vectors}


def value_of(sequence: int) -> bytes:
    """Return the value of which a leaf of these trees is the hash."""
    return hashlib.sha256(b"record %d" % sequence).hexdigest().encode()


def _vector(
    number: int, signer: _Signer, name: str, start: int | None, size: int, keys: tuple[KeySpan, ...], final: bool
) -> dict[str, Any]:
    tree = Frontier()
    leaves = [leaf_hash(value_of(sequence)) for sequence in range(size)]
    tree.extend(leaves[: start or 0])
    interval = IntervalLeaves(tree.size, tree.roots, b"".join(leaves[tree.size :]))
    tree.extend_packed(interval.leaves)
    checkpoint = Checkpoint.of(
        tree,
        source="/production/shop",
        producer=_PRODUCER,
        time=f"2026-01-31T12:00:{number:02}.123456Z",
        final=final,
        topic=None if start is None else "audit-events",
        interval=start,
        keys=keys,
        relayed=_RELAYED.get(name, ()),
        via=_VIA.get(name),
    )
    note = sign_checkpoint(checkpoint, signer)
    event_id = f"018f3b1c-0000-7000-8000-0000000000{number:02x}"
    has_header = start is not None and bool(interval.leaves)
    return {
        "name": name,
        "note": note,
        "value": encode_checkpoint_message(checkpoint, note, event_id=event_id).decode(),
        "telemetry-leaves": interval.encode().hex() if has_header else None,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(), indent=1, ensure_ascii=False) + "\n")

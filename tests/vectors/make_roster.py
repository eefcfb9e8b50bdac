"""Makes ``roster.json``: rosters of a fixed key and time. Its output must never change.

Run it with ``python -m tests.vectors.make_roster > tests/vectors/roster.json``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.format.proof.merkle import Frontier
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.roster.entries import RangeEntry, StreamEntry
from telemetry.format.roster.roster import encode_roster, sign_roster

_SEED = bytes(range(32))
_PRODUCER = "018f3b1c-0000-7000-8000-00000000000"


class _Signer:
    name = "vectors"

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(_SEED)
        self.public_key = str(PublicKey(self.name, self._private.public_key().public_bytes_raw()))

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


def make() -> dict[str, Any]:
    """Return the vectors: three rosters of one log."""
    signer, log, vectors = _Signer(), Frontier(), []
    rounds: tuple[tuple[str, list[StreamEntry | RangeEntry]], ...] = (
        ("two streams", [_stream(1, 1_000), _stream(2, 7, is_closed=True), _range(0, 0, 1_012), _range(1, 0, 3)]),
        ("one grew, unchained", [_stream(1, 2_500, is_chained=False), _range(0, 1_012, 2_530)]),
        ("nothing new", [_range(0, 2_530, 2_530)]),
    )
    for number, (name, entries) in enumerate(rounds):
        time = f"2026-01-02T03:{number:02}:05.000000Z"
        roster = sign_roster(log, [str(entry) for entry in entries], time=time, signer=signer)
        log = roster.tree()
        document = encode_roster(roster).decode()
        vectors.append({"name": name, "object": roster.name, "root": roster.root.hex(), "document": document})
    return {"seed": _SEED.hex(), "public_key": signer.public_key, "rosters": vectors}


def _stream(number: int, size: int, *, is_closed: bool = False, is_chained: bool = True) -> StreamEntry:
    return StreamEntry(
        producer=f"{_PRODUCER}{number}",
        size=size,
        root=hashlib.sha256(b"%d of %d" % (size, number)).digest(),
        is_closed=is_closed,
        is_chained=is_chained,
        signer="0bbc9576",
        topic="audit-events",
        partition=0,
        offset=size + 10,
        source="/production/payments",
    )


def _range(partition: int, start: int, end: int) -> RangeEntry:
    return RangeEntry(topic="audit-events", partition=partition, low=0, start=start, end=end)


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=1)
    sys.stdout.write("\n")

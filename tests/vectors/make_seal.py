"""Makes ``seal.json``: seals of a fixed key and time. Its output must never change.

Run it with ``python -m tests.vectors.make_seal > tests/vectors/seal.json``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import Any

from telemetry.format.archive.live_files import LiveFiles
from telemetry.format.archive.seal import (
    Commit,
    Ending,
    OffsetGap,
    Redaction,
    SealedFile,
    SealedRange,
    SealedStream,
    SealKind,
)
from telemetry.format.archive.seal_note import encode_seal, seal_digest, seal_name
from telemetry.format.archive.succession import ArchiveState, seal_after
from tests.support.written_trail import Signer

_ID = "018f3b1c-0000-7000-8000-00000000000"
_SOURCE = "/production/telemetry-archiver"


def make() -> dict[str, Any]:
    """Return the vectors: a chain with a seal of each kind."""
    signer = Signer(1, "vectors")
    state: ArchiveState | None = None
    vectors = []
    for number, (name, commit) in enumerate(_commits()):
        time = f"2026-01-02T03:{number:02}:05.000000Z"
        seal = seal_after(state, commit, time=time, source=_SOURCE, archive=f"{_ID}a")
        data = encode_seal(seal, signer)
        state = ArchiveState(seal, seal_digest(data), (state.live if state else LiveFiles()).after(seal))
        vectors.append({"name": name, "object": seal_name(number), "sha256": state.digest, "note": data.decode()})
    return {"public_key": signer.public_key, "seals": vectors}


def _commits() -> tuple[tuple[str, Commit], ...]:
    tree = SealedStream(
        source="/production/payments",
        producer=f"{_ID}1",
        size=1_000,
        root=base64.b64encode(hashlib.sha256(b"root").digest()).decode(),
        signer="0123abcd",
        final=False,
    )
    return (
        (
            "the first commit",
            Commit(
                kind=SealKind.APPEND,
                added=(_file(1, 1_000), _file(2, 3, day="2026-01-03")),
                ranges=(_range(0, 0, 1_000), _range(1, 7, 10)),
                starts={"audit-events": {2: 0}},
                streams=(tree,),
            ),
        ),
        (
            "a gap, and a fallback object",
            Commit(
                kind=SealKind.APPEND,
                added=(_file(3, 20),),
                ranges=(_range(0, 1_005, 1_020),),
                gaps=(OffsetGap(topic="audit-events", partition=0, first=1_000, end=1_005),),
                objects=(f"production/payments/{_ID}2.sealed",),
                roster=hashlib.sha256(b"roster").hexdigest(),
            ),
        ),
        ("two files become one", Commit(kind=SealKind.COMPACT, added=(_file(4, 1_020),), removed=(_name(1), _name(3)))),
        (
            "two events are redacted",
            Commit(
                kind=SealKind.REDACT,
                added=(_file(5, 1_020),),
                removed=(_name(4),),
                redacted=(
                    Redaction(
                        request="DSR-7",
                        count=2,
                        by="privacy@example.com",
                        reason="Article 17",
                        events=(f"{_ID}3", f"{_ID}4"),
                    ),
                ),
            ),
        ),
        (
            "retention ends",
            Commit(
                kind=SealKind.EXPIRE,
                added=(_file(6, 21),),
                removed=(_name(5),),
                ended=(Ending(policy="payments.charged: 7y", rows=1_000),),
            ),
        ),
        (
            "another engine appended",
            Commit(kind=SealKind.ADOPT, added=(_file(7, 5),), snapshot=8_744_736_658_442_914_487),
        ),
    )


def _name(number: int, day: str = "2026-01-02") -> str:
    return f"events/data/day={day}/{_ID}{number}-0.parquet"


def _file(number: int, rows: int, *, day: str = "2026-01-02") -> SealedFile:
    digest = hashlib.sha256(b"file %d" % number).hexdigest()
    return SealedFile(name=_name(number, day), sha256=digest, size=900 * rows, rows=rows, day=day)


def _range(partition: int, first: int, end: int) -> SealedRange:
    return SealedRange(topic="audit-events", partition=partition, first=first, end=end)


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=2)
    sys.stdout.write("\n")

"""Makes ``spool_segment.json``: entries of sealed spool segments of fixed secrets, nonces and records. Its output must never change.

Run it with ``python -m tests.vectors.make_spool_segment > tests/vectors/spool_segment.json``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import msgspec

from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.packing import pack
from telemetry.audit.spool.progress import ChainedProgress
from telemetry.audit.spool.sealing import SPOOL_PURPOSE, SealedForm, sealed_about
from telemetry.encryption.storage_secret import StorageSecret
from telemetry.format import canonical_base64
from telemetry.format.objects.sealed_object import ContentKey
from telemetry.format.objects.stored_key import StoredKey

_SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_SALT = bytes(range(16))
_PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
_TOPIC, _SOURCE = "audit-events", "/production/shop"
_PROGRESS = ChainedProgress(
    commit=1,
    settled_below=0,
    tree_size=2,
    frontier=bytes(7) + b"\x02" + b"f" * 32,
    oldest=0,
    signed_size=1,
    signed_frontier=bytes(7) + b"\x01" + b"s" * 32,
    signed_at=1_767_225_600_000_000,
    keys=[("a-commitment", 1, 1)],
    leaves=[(1, b"l" * 32)],
)


def make() -> list[dict[str, Any]]:
    """Return the vectors: what is sealed, how, and the entries of the file."""
    secret = StorageSecret.of_text(_SECRET)
    by_secret = StoredKey(_SALT, secret.key_id)
    wrapped = by_secret._replace(key_uri="local-key://00", wrapped=b"\x00wrapped\xff", sealed=bytes(range(60)))
    return [
        _vector("by the storage secret", secret, by_secret),
        _vector("wrapped for a KEK too", secret, wrapped),
    ]


def _vector(name: str, secret: StorageSecret, stored: StoredKey) -> dict[str, Any]:
    key = ContentKey(secret.derive(SPOOL_PURPOSE, stored.salt), stored)
    with patch("telemetry.audit.spool.sealing.os.urandom", side_effect=_nonces()):
        about = sealed_about(key, producer=_PRODUCER, topic=_TOPIC, source=_SOURCE)
        form = SealedForm(key.plaintext, about)
        first = [form.seal_row(packed.content) for packed in pack([_sealed(0), _written(1)], _PROGRESS)]
        later = msgspec.structs.replace(_PROGRESS, commit=2, settled_below=1, tree_size=3, leaves=[(2, b"m" * 32)])
        second = [form.seal_row(packed.content) for packed in pack([_written(2)], later)]
        noted = msgspec.structs.replace(later, commit=3, settled_below=3, leaves=[])
        note = form.seal_note(msgspec.msgpack.encode(noted))
    return {
        "name": name,
        "storage_secret": _SECRET,
        "segment_key": key.plaintext.hex(),
        "producer": _PRODUCER,
        "topic": _TOPIC,
        "source": _SOURCE,
        "records": [[0, 1], [2]],
        "about": canonical_base64.encode(about),
        "rows": [canonical_base64.encode(row) for row in (*first, *second)],
        "progress": canonical_base64.encode(note),
    }


def _nonces() -> Iterator[bytes]:
    return (bytes([number]) * 12 for number in range(1, 256))


def _sealed(sequence: int) -> SealedRecord:
    return SealedRecord(
        event_id=f"018f3b1c-0000-7000-8000-{sequence:012x}",
        producer=_PRODUCER,
        sequence=sequence,
        key=b"ada:shop",
        size=1,
        value_head=b'{"specversion":"1.0","sequence":',
        id_and_time_json=b',"id":"018f3b1c-0000-7000-8000-000000000003","time":"2026-01-31T12:00:00.000000Z"',
        clear_tail=b',"type":"user_login","data":',
        jwe_header=b"eyJh",
        iv=bytes(range(12)),
        ciphertext=bytes(range(40, 73)),
    )


def _written(sequence: int) -> SealedRecord:
    event_id = f"018f3b1c-0000-7000-8000-{sequence:012x}"
    return SealedRecord.written(
        event_id, producer=_PRODUCER, sequence=sequence, key="usuário:shop".encode(), value=b'{"n":%d}' % sequence
    )


if __name__ == "__main__":
    json.dump(make(), sys.stdout, indent=1)
    sys.stdout.write("\n")

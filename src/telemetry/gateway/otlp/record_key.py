"""Derives the idempotency key of a log record from its contents, because OTLP has none."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from typing import Final

import msgspec

from telemetry.gateway.otlp.log_record import LogRecord, Origin

RECORD_UID: Final = "log.record.uid"
"""The attribute by which, in the semantic conventions, records with the same value are one record."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class RecordKeys:
    """Gives each record of one request its key.

    A request that is sent again has the same records and so the same keys. Records that are equal in all their contents,
    times and origin are numbered in the order of the request: two that came within one tick of a clock stay two.
    """

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()
        self._origin: Origin | None = None
        self._begun = hashlib.sha256()

    def key_of(self, record: LogRecord) -> str:
        """Return the key of the next record: at most 60 characters, nothing of its contents can be read from it."""
        uid = record.attributes.get(RECORD_UID)
        if isinstance(uid, str) and uid:
            return f"otlp-uid:{_text(hashlib.sha256(uid.encode()).digest())}"
        if record.origin is not self._origin:
            self._origin = record.origin
            self._begun = hashlib.sha256(_encode(record.origin) + b"\n")
        digest = self._begun.copy()
        digest.update(_encode(record[1:]))
        contents = digest.digest()
        self._seen[contents] += 1
        number = self._seen[contents]
        return f"otlp:{_text(contents)}" + (f":{number}" if number > 1 else "")


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")

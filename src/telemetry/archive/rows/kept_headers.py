"""Keeps the Kafka headers that readers use, as JSON in one column."""

from __future__ import annotations

import msgspec

from telemetry.format import canonical_base64
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.value.message import BATCH_HEADER, REPLAY_HEADER

Headers = tuple[tuple[str, bytes], ...]

KEPT_HEADERS = frozenset((LEAVES_HEADER, BATCH_HEADER, REPLAY_HEADER))
"""What a checkpoint's leaves, the lineage of a record and its replay are read from."""
MAX_HEADERS = 16
MAX_HEADERS_BYTES = 256 << 10
"""Of the JSON; the leaves of an interval have 46 KB."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[str, str]]).decode


def encode_headers(headers: Headers) -> bytes | None:
    """Return the headers that are kept, each as its name and its content in base64; None if there are none.

    Headers are not trusted: more of them, or larger ones, than this library writes are dropped.
    """
    kept = [(name, canonical_base64.encode(data)) for name, data in headers if name in KEPT_HEADERS][:MAX_HEADERS]
    text = _encode(kept) if kept else None
    return text if text is None or len(text) <= MAX_HEADERS_BYTES else None


def decode_headers(text: bytes | None) -> Headers:
    """Return kept headers; none if the text is not in their form, since nobody believes headers."""
    if text is None or len(text) > MAX_HEADERS_BYTES:
        return ()
    try:
        found = _decode(text)[:MAX_HEADERS]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    decoded = [(name, canonical_base64.decode(data)) for name, data in found if name in KEPT_HEADERS]
    return tuple([(name, data) for name, data in decoded if data is not None])

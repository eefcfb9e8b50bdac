"""Recognizes a batch that only unpacks to something to harm those who unpack it, before any client does."""

from __future__ import annotations

from telemetry.kafka.peek.batch_header import HEADER_BYTES, BatchHeader
from telemetry.kafka.peek.unpacked_size import exceeds

_MOST_RATIO = 20
"""Ciphertext in base64 is packed to three quarters at best, events in the clear rarely to a tenth."""
_BESIDE_BYTES = 1 << 20
"""What a record has beside its value: key and headers."""
_MOST_RECORDS = 100_000
_LEAST_RECORD_BYTES = 10
"""Packed bytes for each record of a batch with very many: a record of a trail has more than 200, a twentieth of it is left."""


def bomb_reason(header: BatchHeader, batch: memoryview, *, largest: int) -> str | None:
    """Return why a batch is not worth unpacking; None if it may be.

    A large batch of sealed records is none: it is large when it is packed, too.

    Args:
        header: The header of the batch.
        batch: The batch as it is on the topic, or its beginning.
        largest: Bytes of the largest record that a reader accepts.
    """
    # A message set of a broker before 0.11 states neither its end nor its records, and nothing else is known of it.
    if header.records is None:
        return None
    if header.records > _MOST_RECORDS and header.size < header.records * _LEAST_RECORD_BYTES:
        return f"it has {header.records} records in {header.size} bytes"
    # What a reader refuses because of one record's size need not be unpacked to see that.
    limit = max(largest + _BESIDE_BYTES if header.records == 1 else 2 * largest, _MOST_RATIO * header.size)
    if exceeds(header.codec, batch[HEADER_BYTES : header.size], limit, is_whole=len(batch) >= header.size):
        return f"it unpacks to more than {limit} bytes"
    return None

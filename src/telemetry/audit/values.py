"""Writes out the Kafka values of a whole batch together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from telemetry.audit.record import SealedRecord
from telemetry.format.value.parts import values_together

_BYTES_AT_ONCE = 2 << 20
"""Few releases of the interpreter lock, since a busy thread that acquires it keeps it for 5 ms; and not much memory."""
_TOO_FEW = 8
"""Fewer records than this are written one by one, when they are asked for: see ``format/canonical_base64.py``."""


def values_of(records: Sequence[SealedRecord]) -> Iterator[bytes]:
    """Yield the value of each record, with few releases of the interpreter lock.

    The records do not keep their values: Kafka's client copies each one, and memory that is reused at once is in the
    processor's cache.
    """
    return chain.from_iterable(map(_values, _portions(records)))


def write_out(records: Sequence[SealedRecord]) -> None:
    """Have the records keep their values, because they are needed more than once."""
    for record, value in zip(records, values_of(records), strict=True):
        record.write(value)


def _portions(records: Sequence[SealedRecord]) -> Iterator[Sequence[SealedRecord]]:
    size = first = 0
    for end, record in enumerate(records, 1):
        size += record.size
        if size >= _BYTES_AT_ONCE:
            yield records[first:end]
            size, first = 0, end
    yield records[first:]


def _values(records: Sequence[SealedRecord]) -> Iterator[bytes]:
    # Looked up once: another thread, such as the spool's, may write a value out meanwhile.
    ciphertexts = [record.ciphertext for record in records]
    if len(records) < _TOO_FEW or not all(ciphertexts):
        return (record.value for record in records)
    return values_together(records, ciphertexts)

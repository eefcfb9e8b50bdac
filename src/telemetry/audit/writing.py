"""Writes out the values of a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.audit.encryptor import Sealed
from telemetry.audit.record import SealedRecord
from telemetry.format import base64url

_BYTES_AT_ONCE = 2 << 20
"""Few releases of the lock, since a busy thread that takes it keeps it for 5 ms; and not much memory."""
_TOO_FEW = 8
"""So few are written one by one, when they are asked for: see ``format/base64url.py``."""


def write_out(records: Sequence[SealedRecord]) -> None:
    """Write out the values that are not yet, with few releases of the interpreter lock."""
    waiting = [record for record in records if record.sealed is not None]
    if len(waiting) < _TOO_FEW:
        return
    size = begun = 0
    for at, record in enumerate(waiting, 1):
        size += record.size
        if size >= _BYTES_AT_ONCE:
            _write(waiting[begun:at])
            size, begun = 0, at
    _write(waiting[begun:])


def _write(records: Sequence[SealedRecord]) -> None:
    pairs = [(record, sealed) for record in records if isinstance(sealed := record.sealed, Sealed)]
    text, places = base64url.encode_together([(sealed.iv, sealed.ciphertext) for _, sealed in pairs])
    for (record, sealed), at in zip(pairs, places, strict=True):
        record.write(sealed.written(record.sequence or 0, record.key, text, at))

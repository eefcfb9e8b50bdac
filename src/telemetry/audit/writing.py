"""Writes out the values of a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence

from telemetry.audit.encryptor import Sealed
from telemetry.audit.record import SealedRecord
from telemetry.format import base64url

_AT_ONCE = 64
_TOO_FEW = 8
"""So few are written one by one, when they are asked for: see ``format/base64url.py``."""


def write_out(records: Sequence[SealedRecord]) -> None:
    """Write out the values that are not yet, with few releases of the interpreter lock."""
    waiting = [record for record in records if record.sealed is not None]
    if len(waiting) < _TOO_FEW:
        return
    for at in range(0, len(waiting), _AT_ONCE):
        _write(waiting[at : at + _AT_ONCE])


def _write(records: Sequence[SealedRecord]) -> None:
    pairs = [(record, sealed) for record in records if isinstance(sealed := record.sealed, Sealed)]
    text, places = base64url.encode_together([(sealed.iv, sealed.ciphertext) for _, sealed in pairs])
    for (record, sealed), at in zip(pairs, places, strict=True):
        record.write(sealed.written(record.sequence or 0, record.key, text, at))

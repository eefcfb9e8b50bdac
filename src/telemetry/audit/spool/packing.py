"""Packs the records of a commit into rows of a spool segment, and unpacks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from telemetry.audit.record import SealedRecord

_PACK_RECORDS = 1_000
"""Many records become one row: each statement costs a release of the interpreter lock."""

Row = tuple[int, str, bytes, bytes]
"""Position, event id, key and value of a record."""

_RecordAndCiphertext = tuple[SealedRecord, bytes]
"""A record and its ciphertext, which is empty where the value is written out."""


class Pack(NamedTuple):
    """Consecutive records as one row of a segment.

    Attributes:
        first: Position of the first.
        last: Position of the last.
        content: The records, as MessagePack.
    """

    first: int
    last: int
    content: bytes


class Progress(msgspec.Struct, array_like=True):
    """How far a segment is settled, and the tree over all that was committed to it.

    Attributes:
        commit: Number of the commit that stored it; the highest one counts.
        settled_below: The lowest position that is not settled.
        tree_size: How many records the tree covers; None where no tree is kept.
        frontier: The tree.
    """

    commit: int = 0
    settled_below: int = 0
    tree_size: int | None = None
    frontier: bytes = b""


class _Content(msgspec.Struct, array_like=True):
    """The MessagePack content of a row; its bytes are format 3 of the spool.

    A sealed event is kept in its parts: its value is larger by a third, and is written out only when it is sent.

    Attributes:
        progress: Progress at the time of the commit.
        written: Position, event id, key and value of records whose value is written out.
        value_head: Part of the value that is constant for the data key of the other records.
        jwe_header: JWE header of the other records.
        sealed: Position, event id, key, clear members after the hash of the key, initialization vector and ciphertext of
            each.
    """

    progress: Progress
    written: list[Row]
    value_head: bytes = b""
    jwe_header: bytes = b""
    sealed: list[tuple[int, str, bytes, bytes, bytes, bytes]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Content).decode


def pack(records: Sequence[SealedRecord], progress: Progress) -> Iterator[Pack]:
    """Yield the records that have a position, in order, in packs."""
    # Read once: the sender may write a value out meanwhile, after it lost its patience with the disk.
    paired = [(record, record.ciphertext) for record in records if record.sequence is not None]
    # A row has one value head, so records of different data keys go into different rows.
    for _, same_head in groupby(paired, key=_value_head):
        run = list(same_head)
        for start in range(0, len(run), _PACK_RECORDS):
            part = run[start : start + _PACK_RECORDS]
            yield Pack(part[0][0].sequence or 0, part[-1][0].sequence or 0, _encode(_content(part, progress)))


def unpack(content: bytes) -> list[Row]:
    """Return the records of a pack.

    Raises:
        msgspec.DecodeError: This is not a pack.
    """
    decoded = _decode(content)
    rows = decoded.written
    for position, event_id, key, clear_members, iv, ciphertext in decoded.sealed:
        # Only what the value is rendered from; the rest of a record is of no use for that.
        record = SealedRecord(
            event_id=event_id,
            producer="",
            sequence=position,
            key=key,
            size=0,
            value_head=decoded.value_head,
            clear_tail=clear_members,
            jwe_header=decoded.jwe_header,
            iv=iv,
            ciphertext=ciphertext,
        )
        rows.append((position, event_id, key, record.value))
    return rows


def progress_of(content: bytes) -> Progress:
    """Return the progress that was stored with a pack; raises as :func:`unpack` does."""
    return _decode(content).progress


def _value_head(paired: _RecordAndCiphertext) -> bytes:
    record, ciphertext = paired
    return record.value_head if ciphertext else b""


def _content(part: Sequence[_RecordAndCiphertext], progress: Progress) -> _Content:
    first, ciphertext = part[0]
    if not ciphertext:
        return _Content(
            progress, [(record.sequence or 0, record.event_id, record.key, record.value) for record, _ in part]
        )
    rows = [
        (
            record.sequence or 0,
            record.event_id,
            record.key,
            record.id_and_time_json + record.clear_tail,
            record.iv,
            sealed,
        )
        for record, sealed in part
    ]
    return _Content(progress, [], first.value_head, first.jwe_header, rows)

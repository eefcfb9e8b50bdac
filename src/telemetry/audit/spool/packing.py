"""Packs the records of a commit into rows of a spool segment, and unpacks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Annotated, NamedTuple

import msgspec

from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.progress import ChainedProgress, Progress, RelayedProgress

_PACK_RECORDS = 1_000
"""Many records become one row: each statement costs a release of the interpreter lock."""
_MAX_HEAD_BYTES = 64 << 10
"""Of what all records of a row share, which becomes part of each value: a few hundred bytes, with a large wrapped key 16 KiB."""

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


class _Content(msgspec.Struct, array_like=True):
    """The MessagePack content of a row; its bytes are format 3 of the spool, and what format 4 seals.

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
    # The bounds are those of the writer. Format 3 has no seal, and a small row must not become gigabytes of values.
    written: Annotated[list[Row], msgspec.Meta(max_length=_PACK_RECORDS)]
    value_head: Annotated[bytes, msgspec.Meta(max_length=_MAX_HEAD_BYTES)] = b""
    jwe_header: Annotated[bytes, msgspec.Meta(max_length=_MAX_HEAD_BYTES)] = b""
    sealed: Annotated[list[tuple[int, str, bytes, bytes, bytes, bytes]], msgspec.Meta(max_length=_PACK_RECORDS)] = []


class _ChainedContent(_Content, array_like=True):
    """The content of a row of format 4."""

    progress: RelayedProgress  # pyright: ignore[reportIncompatibleVariableOverride] - never assigned to


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Content).decode
_decode_chained = msgspec.msgpack.Decoder(_ChainedContent).decode


def pack(records: Sequence[SealedRecord], progress: Progress) -> Iterator[Pack]:
    """Yield the records that have a position, in order, in packs; the leaf hashes are in the last one alone."""
    packs = list(_packs(records))
    # Two packs of one commit are rare, and the hashes of a thousand records are a few percent of them.
    short = msgspec.structs.replace(progress, leaves=[]) if isinstance(progress, ChainedProgress) else progress
    for number, part in enumerate(packs, 1):
        content = _encode(_content(part, progress if number == len(packs) else short))
        yield Pack(part[0][0].sequence or 0, part[-1][0].sequence or 0, content)


def _packs(records: Sequence[SealedRecord]) -> Iterator[list[_RecordAndCiphertext]]:
    # Read once: the sender may write a value out meanwhile, after it lost its patience with the disk.
    paired = [(record, record.ciphertext) for record in records if record.sequence is not None]
    # A row has one value head, so records of different data keys go into different rows.
    for _, same_head in groupby(paired, key=_value_head):
        run = list(same_head)
        for start in range(0, len(run), _PACK_RECORDS):
            yield run[start : start + _PACK_RECORDS]


def unpack(content: bytes, *, is_chained: bool = False) -> list[Row]:
    """Return the records of a pack.

    Args:
        content: The pack.
        is_chained: Whether it was written with a :class:`ChainedProgress`.

    Raises:
        msgspec.DecodeError: This is not a pack.
    """
    decoded = _decode_chained(content) if is_chained else _decode(content)
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


def progress_of(content: bytes, *, is_chained: bool = False) -> Progress:
    """Return the progress that was stored with a pack; raises as :func:`unpack` does."""
    return _decode_chained(content).progress if is_chained else _decode(content).progress


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

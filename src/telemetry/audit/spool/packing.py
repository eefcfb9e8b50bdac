"""How the records of a commit are packed into rows of a spool segment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import msgspec

from telemetry.audit.record import SealedRecord

_PACK_RECORDS = 1_000
"""Many records make one row: each statement costs a release of the interpreter lock."""

Row = tuple[int, str, bytes, bytes]
"""Position, event id, key and value of a record."""

_Held = tuple[SealedRecord, bytes]
"""A record and its ciphertext, or nothing where its value is written out."""


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
        commit: Number of the commit that noted it; the highest one holds.
        settled_below: The lowest position that is not settled.
        tree_size: How many records the tree is over; None where none is kept.
        frontier: The tree.
    """

    commit: int = 0
    settled_below: int = 0
    tree_size: int | None = None
    frontier: bytes = b""


class _Content(msgspec.Struct, array_like=True):
    """What a pack holds.

    A sealed event is kept in its parts: its value is larger by a third, and is written out only when it is sent.

    Attributes:
        progress: As of the commit.
        written: Position, event id, key and value of records whose value is written out.
        head: What is constant for the data key that sealed the others.
        protected: Their JWE header.
        sealed: Of each: position, event id, key, what follows the hash of the key, initialization vector and ciphertext.
    """

    progress: Progress
    written: list[Row]
    head: bytes = b""
    protected: bytes = b""
    sealed: list[tuple[int, str, bytes, bytes, bytes, bytes]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Content).decode


def pack(records: Sequence[SealedRecord], progress: Progress) -> Iterator[Pack]:
    """Yield the records that have a position, in order, in packs."""
    # Looked up once: a sender that could not wait for the disk may write the value out meanwhile.
    held = [(record, record.ciphertext) for record in records if record.sequence is not None]
    for _, same in groupby(held, key=_head):
        run = list(same)
        for at in range(0, len(run), _PACK_RECORDS):
            part = run[at : at + _PACK_RECORDS]
            yield Pack(part[0][0].sequence or 0, part[-1][0].sequence or 0, _encode(_content(part, progress)))


def unpack(content: bytes) -> list[Row]:
    """Return the records of a pack.

    Raises:
        msgspec.DecodeError: It is none.
    """
    found = _decode(content)
    rows = found.written
    for position, event_id, key, after_key_hash, iv, ciphertext in found.sealed:
        record = SealedRecord(
            event_id, "", position, key, 0, None, found.head, b"", after_key_hash, found.protected, iv, ciphertext
        )
        rows.append((position, event_id, key, record.value))
    return rows


def progress_of(content: bytes) -> Progress:
    """Return the progress that was noted with a pack; raises as :func:`unpack` does."""
    return _decode(content).progress


def _head(held: _Held) -> bytes:
    record, ciphertext = held
    return record.value_head if ciphertext else b""


def _content(part: Sequence[_Held], progress: Progress) -> _Content:
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

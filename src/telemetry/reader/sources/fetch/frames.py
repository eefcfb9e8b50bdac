"""Defines what the reading process and the process that fetches for it say to each other, and how it is on the wire.

A frame is its length in four bytes and MessagePack. The process that fetches has unpacked what strangers wrote, so that
what it says is checked like any other input.
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

MAX_FRAME_BYTES = 1 << 30
LENGTH = struct.Struct(">I")

Header = tuple[str, bytes | None]
FetchedRecord = tuple[int, int, int, float, bytes | None, bytes | None, list[Header] | None]
"""Partition, offset, kind of timestamp, timestamp in seconds, key, value, headers."""


class Start(msgspec.Struct, array_like=True, tag="start"):
    """Begins a session.

    Attributes:
        options: Settings of the consumer, secrets included: they go over the pipe, never on a command line.
        topic: The topic.
        starts: Partitions, and where each begins.
        largest: Bytes of the largest value that is passed on.
        room: Bytes of memory that fetching may use beyond what a client needs at its start; None for no bound.
        is_careful: Whether to fetch one batch at a time, so that the batch that cannot be read is known exactly.
        with_headers: Whether to pass on the headers of every record; those of a checkpoint are passed on in any case.
    """

    options: dict[str, Any]
    topic: str
    starts: list[tuple[int, int]]
    largest: int
    room: int | None
    is_careful: bool
    with_headers: bool


class Seek(msgspec.Struct, array_like=True, tag="seek"):
    """Continues a partition somewhere else."""

    partition: int
    offset: int


class Pause(msgspec.Struct, array_like=True, tag="pause"):
    """Fetches nothing more from these partitions, unless a :class:`Resume` names them."""

    partitions: list[int]


class Resume(msgspec.Struct, array_like=True, tag="resume"):
    """Fetches from these partitions again, after the last record that came."""

    partitions: list[int]


class Stop(msgspec.Struct, array_like=True, tag="stop"):
    """Ends the session."""


class Records(msgspec.Struct, array_like=True, tag="records"):
    """Records in the order in which they came.

    Attributes:
        records: The records; empty where nothing came for a while.
        positions: For each of their partitions, the offset after the last one; after a partition's last record, too.
    """

    records: list[FetchedRecord]
    positions: dict[int, int] = {}


class Unreadable(msgspec.Struct, array_like=True, tag="unreadable"):
    """A batch, or a record, that cannot be read; the partition waits for a :class:`Seek` if it is a batch.

    Attributes:
        partition: Number of the partition.
        offset: First offset of the batch; offset of the record.
        reason: Why it cannot be read.
        is_batch: False for a record: its neighbours can be read, and fetching continues.
    """

    partition: int
    offset: int
    reason: str
    is_batch: bool


class Failure(msgspec.Struct, array_like=True, tag="failure"):
    """The client reports an error of its own.

    Attributes:
        code: librdkafka's number of the error.
        text: What it says.
        is_remark: True where the client tries again by itself; False where it gives up.
    """

    code: int
    text: str
    is_remark: bool


class LogLine(msgspec.Struct, array_like=True, tag="log"):
    """A line of the client's log."""

    level: int
    text: str


class Exhausted(msgspec.Struct, array_like=True, tag="exhausted"):
    """The last frame of a session: the memory was used up, and everything that came before it has been passed on."""


class Ended(msgspec.Struct, array_like=True, tag="ended"):
    """The session's process has ended; the process that starts sessions says so."""


Command = Start | Seek | Pause | Resume | Stop
Report = Records | Unreadable | Failure | LogLine | Exhausted | Ended

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_report = msgspec.msgpack.Decoder(Report).decode


def framed(frame: Command | Report) -> bytes:
    """Return a frame as it is on the wire."""
    body = encode(frame)
    return LENGTH.pack(len(body)) + body

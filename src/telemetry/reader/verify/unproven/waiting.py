"""Keeps records that nothing can judge yet outside of the streams: in memory first, then in a file without a name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from telemetry.reader.entry import Place
from telemetry.reader.verify.unproven.stream_name import StreamName, producer_bytes, producer_text
from telemetry.system.spill_file import SpillFile

MAX_MEMORY_BYTES = 64 << 20
"""Rows in memory; more of them move to the file."""
MAX_FILE_BYTES = 8 << 30
"""Rows in the file, about 90 million records; more of them are dropped and counted."""

_BUCKETS = 256
_MAX_TEXTS = 1 << 16
# Producer, hash of its source, sequence, leaf hash; then the place: partition or -1, offset, numbers of its two texts.
_ROW = struct.Struct(">16s16sQ32siqII")


class WaitingRecord(NamedTuple):
    """A record that waits.

    Attributes:
        sequence: Its sequence.
        leaf: Its leaf hash.
        place: Its place; None where it is not known.
    """

    sequence: int
    leaf: bytes
    place: Place | None


class _Bucket:
    """Rows of some producers: in memory, and as parts of the file."""

    __slots__ = ("parts", "rows")

    def __init__(self) -> None:
        self.rows = bytearray()
        self.parts: list[tuple[int, int]] = []


class WaitingRecords:
    """Records of streams that nobody has signed for yet, and those that found no room in their stream.

    Anyone may write such records, so they cost 92 bytes each: in memory up to ``MAX_MEMORY_BYTES``, then on disk.
    """

    def __init__(self, *, memory: int = MAX_MEMORY_BYTES, disk: int = MAX_FILE_BYTES) -> None:
        self._most_in_memory, self._most_on_disk = memory, disk
        self._buckets = [_Bucket() for _ in range(_BUCKETS)]
        self._in_memory = 0
        self._file = SpillFile()
        # Number of texts by text, and the texts by number; 0 is the text that is not known.
        self._numbers: dict[str, int] = {"": 0}
        self._texts: list[str] = [""]
        # Per stream, how many parts of its bucket were given out.
        self._taken: dict[bytes, int] = {}
        self.count = 0
        self.dropped = 0

    def add(self, stream: StreamName, sequence: int, leaf: bytes, place: Place | None) -> None:
        """Keep a record.

        Raises:
            StorageError: The file cannot be written.
        """
        producer = producer_bytes(stream.producer)
        self.count += 1
        source, partition, offset, text = ("", None, 0, None) if place is None else place
        self._bucket(producer).rows += _ROW.pack(
            producer,
            stream.source,
            sequence,
            leaf,
            -1 if partition is None else partition,
            offset,
            self._number_of(source),
            self._number_of(text or ""),
        )
        self._in_memory += _ROW.size
        if self._in_memory > self._most_in_memory:
            self._write_out()

    def take(self, stream: StreamName) -> Iterator[WaitingRecord]:
        """Yield the records of a stream, and forget them.

        Raises:
            StorageError: The file cannot be read.
        """
        name = stream.to_bytes()
        bucket = self._bucket(producer_bytes(stream.producer))
        start = self._taken.get(name, 0)
        parts = bucket.parts[start:]
        if bucket.parts:
            self._taken[name] = len(bucket.parts)
        rows, bucket.rows = _divide(bucket.rows, name)
        self._in_memory -= len(rows)
        for offset, length in parts:
            found, _ = _divide(bytearray(self._file.read(offset, length)), name)
            yield from self._unpack(found)
        yield from self._unpack(rows)

    def of_producer(self, producer: str) -> Iterator[tuple[StreamName, WaitingRecord]]:
        """Yield the records of all streams of a producer; they stay, and those that were taken may be among them.

        Raises:
            StorageError: The file cannot be read.
        """
        name = producer_bytes(producer)
        bucket = self._bucket(name)
        parts = (self._file.read(offset, length) for offset, length in bucket.parts)
        for rows in chain(parts, (bytes(bucket.rows),)):
            for start in _starts(rows, name):
                row = _ROW.unpack_from(rows, start)
                yield StreamName(producer, row[1]), self._record(row)

    def newest(self, most: int) -> Iterator[tuple[StreamName, WaitingRecord]]:
        """Yield the newest records in memory with their streams, at most so many; they stay."""
        share = most // _BUCKETS * _ROW.size
        for bucket in self._buckets if share else ():
            for row in _ROW.iter_unpack(bucket.rows[-share:]):
                yield StreamName(producer_text(row[0]), row[1]), self._record(row)

    @property
    def is_empty(self) -> bool:
        """Whether no record waits."""
        return self.count == 0

    def count_elsewhere(self, count: int, *, dropped: int) -> None:
        """Count records that wait in another share of the trail, and those that found no room there."""
        self.count += count
        self.dropped += dropped

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _bucket(self, producer: bytes) -> _Bucket:
        # Python's hash of bytes is SipHash under a random key (PEP 456); nobody can aim at a bucket.
        return self._buckets[hash(producer) % _BUCKETS]

    def _number_of(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            if len(self._texts) >= _MAX_TEXTS:
                return 0
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return number

    def _unpack(self, rows: bytes | bytearray) -> Iterator[WaitingRecord]:
        for row in _ROW.iter_unpack(rows):
            self.count -= 1
            yield self._record(row)

    def _record(self, row: tuple[Any, ...]) -> WaitingRecord:
        _, _, sequence, leaf, partition, offset, source, name = row
        if not source:
            return WaitingRecord(sequence, leaf, None)
        text = self._texts[name] if name else None
        return WaitingRecord(
            sequence, leaf, Place(self._texts[source], None if partition < 0 else partition, offset, text)
        )

    def _write_out(self) -> None:
        """Move all rows to the file, bucket by bucket: what belongs to a producer is then found without reading all."""
        if self._file.size + self._in_memory > self._most_on_disk:
            self.dropped += self._in_memory // _ROW.size
            self.count -= self._in_memory // _ROW.size
        else:
            for bucket in self._buckets:
                if bucket.rows:
                    bucket.parts.append((self._file.append(bucket.rows), len(bucket.rows)))
        for bucket in self._buckets:
            bucket.rows = bytearray()
        self._in_memory = 0


def _divide(rows: bytearray, name: bytes) -> tuple[bytes, bytearray]:
    """Return the rows of a stream, and the others."""
    ours, others, end = [], bytearray(), 0
    for start in _starts(rows, name):
        others += rows[end:start]
        end = start + _ROW.size
        ours.append(bytes(rows[start:end]))
    return (b"".join(ours), others + rows[end:]) if ours else (b"", rows)


def _starts(rows: bytes | bytearray, name: bytes) -> Iterator[int]:
    """Yield where the rows begin that begin with a name."""
    at = rows.find(name)
    while at >= 0:
        if at % _ROW.size:
            at = rows.find(name, at + 1)  # the same bytes inside another row
            continue
        yield at
        at = rows.find(name, at + _ROW.size)

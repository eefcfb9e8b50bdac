"""Keeps records in order until they are taken: in memory first, then in a file without a name."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import msgspec

from telemetry import exceptions
from telemetry.exceptions import EncryptionError, FormatError, MalformedRecordError, StorageError, VerificationError
from telemetry.reader.entry import DamagedRecord, EndedRun, Place, Proven, RawRecord, RedactedEvent, SourceRecord
from telemetry.reader.proof.places import StreamPlace
from telemetry.system.spill_file import SpillFile

MAX_MEMORY_BYTES = 64 << 20
MAX_FILE_BYTES = 16 << 30
"""Records in the file; with more, the oldest are given up to be judged as they are."""

_BLOCK_BYTES = 1 << 20
_RECORD_BYTES = 600
"""Memory of a record beside its key, value and headers."""
_KINDS = {
    name: kind
    for name, kind in vars(exceptions).items()
    if isinstance(kind, type) and issubclass(kind, (EncryptionError, FormatError, StorageError, VerificationError))
}
"""Errors that a source yields, by name; they are created from their message alone."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class HeldRecord(NamedTuple):
    """A record that waits.

    Attributes:
        raw: The record as its source gave it.
        place: The place in a stream that it claims; None if nothing will prove it.
        arrived: When it was read, by a monotonic clock.
    """

    raw: SourceRecord
    place: StreamPlace | None
    arrived: float


class _Block:
    """Records in memory, or where the file has them."""

    __slots__ = ("length", "records", "size", "start")

    def __init__(self) -> None:
        self.records: deque[HeldRecord] = deque()
        self.size = self.start = self.length = 0


class RecordQueue:
    """A first-in, first-out queue of records in bounded memory. Only what was read is written, sealed as it is.

    Args:
        memory: Bytes of records in memory.
        disk: Bytes of records in the file.
    """

    def __init__(self, *, memory: int = MAX_MEMORY_BYTES, disk: int = MAX_FILE_BYTES) -> None:
        self._most_in_memory, self._most_on_disk = memory, disk
        self._blocks: deque[_Block] = deque([_Block()])
        self._file = SpillFile()
        self._in_memory = 0
        self._on_disk = 0

    def append(self, record: HeldRecord) -> None:
        """Add a record at the end.

        Raises:
            StorageError: The file cannot be written.
        """
        last = self._blocks[-1]
        size = _size_of(record.raw)
        last.records.append(record)
        last.size += size
        self._in_memory += size
        if last.size < _BLOCK_BYTES:
            return
        # The first block is about to be read, so it stays.
        if self._in_memory > self._most_in_memory and len(self._blocks) > 1:
            self._write(last)
        self._blocks.append(_Block())

    def first(self) -> HeldRecord | None:
        """Return the oldest record; None if there is none.

        Raises:
            StorageError: The file cannot be read.
        """
        block = self._blocks[0]
        if block.length:
            self._read(block)
        return block.records[0] if block.records else None

    def take(self) -> HeldRecord:
        """Remove and return the oldest record, which :meth:`first` has returned."""
        block = self._blocks[0]
        record = block.records.popleft()
        size = _size_of(record.raw)
        block.size -= size
        self._in_memory -= size
        if not block.records and len(self._blocks) > 1:
            self._blocks.popleft()
        return record

    @property
    def is_full(self) -> bool:
        """Whether the oldest records have to be taken as they are."""
        return self._on_disk > self._most_on_disk

    def close(self) -> None:
        """Forget everything."""
        self._blocks = deque([_Block()])
        self._file.close()

    def _write(self, block: _Block) -> None:
        data = _encode([_packed(record) for record in block.records])
        block.start, block.length = self._file.append(data), len(data)
        self._on_disk += len(data)
        self._in_memory -= block.size
        block.records.clear()

    def _read(self, block: _Block) -> None:
        block.records.extend(map(_unpacked, _decode(self._file.read(block.start, block.length))))
        self._on_disk -= block.length
        self._in_memory += block.size
        block.length = 0
        if not self._on_disk:
            self._file.close()


def _size_of(record: SourceRecord) -> int:
    if isinstance(record, EndedRun):
        return len(record.leaves or b"") + _RECORD_BYTES
    raw = record if isinstance(record, RawRecord) else record.raw
    return len(raw.value or b"") + len(raw.key or b"") + sum(len(content) for _, content in raw.headers) + _RECORD_BYTES


def _packed(record: HeldRecord) -> list[Any]:
    given = record.raw
    if isinstance(given, (RedactedEvent, EndedRun)):
        fields = {name: getattr(given, name) for name in given.__dataclass_fields__}
        return [type(given).__name__, fields, record.place and list(record.place), record.arrived]
    raw = given.raw if isinstance(given, DamagedRecord) else given
    # A subclass that is not listed comes back as a malformed record with the same message.
    error = (
        [type(given.error).__name__, str(given.error), given.is_vouched, given.end]
        if isinstance(given, DamagedRecord)
        else None
    )
    return [list(raw), error, record.place and list(record.place), record.arrived]


def _unpacked(packed: list[Any]) -> HeldRecord:
    if isinstance(packed[0], str):
        return _unpacked_removed(*packed)
    (key, value, place, timestamp, headers, *rest), error, claimed, arrived = packed
    known = tuple((name, content) for name, content in headers)
    raw = RawRecord(key, value, Place(*place), timestamp, known, *rest)
    given: SourceRecord = raw
    if error is not None:
        kind, message, is_vouched, end = error
        refusal = _KINDS.get(kind, MalformedRecordError)(message)
        given = DamagedRecord(raw.place, refusal, raw, is_vouched=is_vouched, end=end)
    return HeldRecord(given, StreamPlace(*claimed) if claimed is not None else None, arrived)


def _unpacked_removed(kind: str, fields: dict[str, Any], claimed: list[Any] | None, arrived: float) -> HeldRecord:
    place = Place(*fields.pop("place"))
    given: SourceRecord
    if kind == EndedRun.__name__:
        given = EndedRun(place=place, **fields)
    else:
        given = RedactedEvent(place=place, proven=Proven(fields.pop("proven")), **fields)
    return HeldRecord(given, StreamPlace(*claimed) if claimed is not None else None, arrived)

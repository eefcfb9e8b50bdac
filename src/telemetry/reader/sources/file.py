"""Reads raw records from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import (
    ConfigurationError,
    EncryptionError,
    FormatError,
    KeyNotFoundError,
    Problem,
    StorageError,
    TelemetryError,
    VerificationError,
)
from telemetry.format.objects.fallback_object import PlainObjectReader
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE
from telemetry.format.objects.sealed_reader import SealedObjectReader
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.sources.lines import (
    MAX_LINE_BYTES,
    copied_line,
    damaged_line,
    numbered_lines,
    raw_record,
    read_line,
)

MAX_PARTITIONS = 10_000
"""Partitions that the copy of a topic may name."""

_HEADER = b'{"format_version":'
_SEALED = b'{"format_version":2,'
_SKIPPED = _PART = 1 << 20


class FileSource:
    """A file of JSON lines as a stream of raw records.

    Three kinds of files are known: the output of ``telemetry export --sealed`` or ``telemetry fallback export``, an
    object of a fallback store, and the output of ``kcat -C -J``. A line that is not a record is yielded as a damaged
    one with its number. The copy of a topic names the place of each record on it, and the record has that place here; the
    file alone vouches for it.

    Args:
        path: The file, or a pipe.
        keys: Open a sealed object, from ``opened_storage_keys(config)``; None to open none.
    """

    def __init__(self, path: Path, *, keys: StorageKeys | None = None) -> None:
        self._path = path
        self._keys = keys
        # Readers remember something of each partition.
        self._partitions: set[tuple[str, int | None]] = set()

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records.

        Raises:
            ConfigurationError: The file cannot be opened.
            StorageError: It cannot be read to its end.
        """
        try:
            file = self._path.open("rb")
        except (OSError, ValueError) as exc:
            problem = Problem("file", f"{self._path} cannot be read: {_reason(exc)}", "name a file of records")
            raise ConfigurationError(problem) from exc
        with file:
            try:
                yield from self._records(file)
            except OSError as exc:
                message = f"{self._path} cannot be read to its end: {_reason(exc)}"
                raise StorageError(message) from exc

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return {"kind": "file", "path": str(self._path.absolute())}

    def _records(self, file: BinaryIO) -> Iterator[RawRecord | DamagedRecord]:
        first = file.readline(MAX_LINE_BYTES + 1)
        # An object describes itself in its first line.
        if first.startswith(_SEALED):
            yield from self._sealed(chain([first], _parts(file)))
        elif first.startswith(_HEADER):
            yield from self._object(first, file)
        else:
            yield from self._lines(_lines(file, first))

    def _lines(self, lines: Iterable[bytes]) -> Iterator[RawRecord | DamagedRecord]:
        for number, line in enumerate(lines, start=1):
            if len(line) > MAX_LINE_BYTES:
                yield damaged_line(b"", self._place(number), f"the line is longer than {MAX_LINE_BYTES} bytes")
            elif line.strip():
                yield self._known(copied_line(line, self._place(number)), number)

    def _known(self, record: RawRecord | DamagedRecord, number: int) -> RawRecord | DamagedRecord:
        """Return a record, with the place of its line if the file names more partitions than there can be."""
        partition = record.place[:2]
        if partition not in self._partitions:
            if isinstance(record, DamagedRecord) or len(self._partitions) >= MAX_PARTITIONS:
                return record._replace(place=self._place(number)) if isinstance(record, RawRecord) else record
            self._partitions.add(partition)
        return record

    def _object(self, first: bytes, file: BinaryIO) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records of an object that is not sealed; also of a damaged one, because each has a seal of its own."""
        if file.seekable():
            fault = object_fault(chain([first], _parts(file)))
            if fault is not None:
                yield self._damaged(fault)
            file.seek(len(first))
        for number, line in numbered_lines(_parts(file)):
            yield read_line(line, self._place(number + 1))

    def _sealed(self, parts: Iterable[bytes]) -> Iterator[RawRecord | DamagedRecord]:
        try:
            reader = SealedObjectReader(parts)
            if self._keys is None:
                message = "the object is sealed, and is read without a key"
                raise KeyNotFoundError(message)
            for number, record in enumerate(
                reader.records(self._keys.open(reader.header.key, OBJECT_PURPOSE)), start=2
            ):
                yield raw_record(record, self._place(number))
        except (FormatError, VerificationError, EncryptionError) as exc:
            yield self._damaged(exc)

    def _damaged(self, error: TelemetryError) -> DamagedRecord:
        return DamagedRecord(self._place(1), error, RawRecord(None, None, self._place(1)))

    def _place(self, line: int) -> Place:
        return Place(str(self._path), offset=line)


def object_fault(parts: Iterable[bytes]) -> FormatError | VerificationError | None:
    """Return what is wrong with a fallback object that is not sealed, or None if it is intact."""
    try:
        for _ in PlainObjectReader(parts).records():
            pass
    except (FormatError, VerificationError) as exc:
        return exc
    return None


def _parts(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(_PART):
        yield part


def _lines(file: BinaryIO, line: bytes) -> Iterator[bytes]:
    """Yield the lines of a file, the first of which was read already; of a line that is too long, the beginning."""
    while line:
        yield line
        # Skip the rest of a line that is too long: it must not fill the memory.
        while len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(_SKIPPED)
            if len(line) < _SKIPPED:
                break
        line = file.readline(MAX_LINE_BYTES + 1)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)

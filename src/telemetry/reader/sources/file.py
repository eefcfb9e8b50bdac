"""Reads raw records from a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from telemetry.exceptions import ConfigurationError, FormatError, Problem, StorageError, VerificationError
from telemetry.format.objects.fallback_object import MAX_OBJECT_BYTES, decode_object
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.sources.lines import MAX_LINE_BYTES, damaged_line, read_line

_HEADER = b'{"format_version":'
_SKIPPED = 1 << 20


class FileSource:
    """A file of JSON lines as a stream of raw records.

    Three kinds of files are known: the output of ``telemetry export --sealed`` or ``telemetry fallback export``, an
    object of a fallback store, and the output of ``kcat -C -J``. A line that is not a record is yielded as a damaged
    one with its number.

    Args:
        path: The file, or a pipe.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

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
        lines: Iterable[bytes] = _lines(file, first)
        begin = 1
        # A fallback object describes itself in its first line. If it is damaged, its records are yielded all the same:
        # each has a seal of its own.
        if first.startswith(_HEADER):
            content = first + file.read(MAX_OBJECT_BYTES)
            fault = object_fault(content)
            if fault is not None:
                yield DamagedRecord(self._place(1), fault, RawRecord(None, None, self._place(1)))
            lines, begin = content.split(b"\n")[1:], 2
        for number, line in enumerate(lines, start=begin):
            if len(line) > MAX_LINE_BYTES:
                yield damaged_line(b"", self._place(number), f"the line is longer than {MAX_LINE_BYTES} bytes")
            elif line.strip():
                yield read_line(line, self._place(number))

    def _place(self, line: int) -> Place:
        return Place(str(self._path), offset=line)


def object_fault(content: bytes) -> FormatError | VerificationError | None:
    """Return what is wrong with a fallback object, or None if it is intact."""
    try:
        decode_object(content)
    except (FormatError, VerificationError) as exc:
        return exc
    return None


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

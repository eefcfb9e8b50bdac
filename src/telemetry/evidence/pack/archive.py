"""Writes and reads the ZIP of an evidence pack in its one form: stored, in a fixed order, with fixed times and modes.

The form leaves nothing open (PKWARE APPNOTE 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16): the names and contents determine every
byte. A reader renders each header again and compares it, so that no ZIP can show one content here and another one to an
unpacking program, and none can grow while it is unpacked.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple, NoReturn, Protocol

from telemetry.evidence.pack.names import MANIFEST, MAX_NAME, NOTE, is_name
from telemetry.exceptions import FormatError

MAX_ENTRIES = 6_000
MAX_ENTRY_BYTES = 64 << 20
"""Bytes of one file of a pack."""
MAX_PACK_BYTES = 1 << 30
"""Bytes of a pack: far less than what needs ZIP64, so that no entry has an extra field."""

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCAL_SIGNATURE, _CENTRAL_SIGNATURE, _END_SIGNATURE = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_MADE_BY = 3 << 8 | 20
"""Unix, so that unpacking programs look at the mode; version 2.0."""
_NEEDED = 10
_STORED = 0
_TIME, _DATE = 0, 1 << 5 | 1
"""Midnight of 1 January 1980, the first moment that a ZIP can name."""
_MODE = 0o100600 << 16
_LAST = (MANIFEST, NOTE)
"""The files at the end, in this order: the manifest names all others."""
_SHOWN_NAME = 100


class ByteSink(Protocol):
    """Gets the bytes of a pack, one after the other."""

    def write(self, data: bytes, /) -> int:
        """Write bytes; return how many."""


class Entry(NamedTuple):
    """A file in the archive.

    Attributes:
        name: Its name.
        size: Its bytes.
        crc: CRC-32 of its content.
        offset: Where its header begins.
    """

    name: str
    size: int
    crc: int
    offset: int

    @property
    def start(self) -> int:
        """Where its content begins."""
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.start + self.size

    def local_header(self) -> bytes:
        """Return the header before its content."""
        name = self.name.encode("ascii")
        sizes = (self.crc, self.size, self.size)
        return _LOCAL.pack(_LOCAL_SIGNATURE, _NEEDED, 0, _STORED, _TIME, _DATE, *sizes, len(name), 0) + name

    def central_header(self) -> bytes:
        """Return its header in the directory."""
        name = self.name.encode("ascii")
        sizes = (self.crc, self.size, self.size)
        fixed = (_CENTRAL_SIGNATURE, _MADE_BY, _NEEDED, 0, _STORED, _TIME, _DATE)
        return _CENTRAL.pack(*fixed, *sizes, len(name), 0, 0, 0, 0, _MODE, self.offset) + name


class ArchiveWriter:
    """Writes a pack; the files come in the order of the form.

    Args:
        target: Gets the bytes.

    Attributes:
        size: Bytes that were written.
    """

    def __init__(self, target: ByteSink) -> None:
        self._target = target
        self._entries: list[Entry] = []
        self.size = 0

    def add(self, name: str, content: bytes) -> None:
        """Write a file.

        Raises:
            FormatError: The form has no such name or size, or the file does not follow the one before.
        """
        entry = Entry(name, len(content), zlib.crc32(content), self.size)
        _require_possible(entry, count=len(self._entries) + 1)
        _require_order([*(each.name for each in self._entries[-1:]), name])
        self._entries.append(entry)
        self._write(entry.local_header())
        self._write(content)

    def close(self) -> None:
        """Write the directory."""
        start = self.size
        for entry in self._entries:
            self._write(entry.central_header())
        self._write(_end(len(self._entries), size=self.size - start, start=start))

    def _write(self, data: bytes) -> None:
        self._target.write(data)
        self.size += len(data)


class Archive:
    """A pack that is read; its form was checked, its contents were not.

    Args:
        source: The file; it is not closed here.

    Raises:
        FormatError: It is not a ZIP in the form of a pack; the message names the entry.
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._entries = {entry.name: entry for entry in _entries(source)}

    @property
    def names(self) -> list[str]:
        """Names of its files, in their order."""
        return list(self._entries)

    def size_of(self, name: str) -> int:
        """Return the bytes of a file."""
        return self._entries[name].size

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def read(self, name: str) -> bytes:
        """Return the content of a file, whatever its checksum says.

        Raises:
            FormatError: It is cut off.
        """
        entry = self._entries[name]
        return _read(self._source, entry.start, entry.size)

    def has_checksum(self, name: str, content: bytes) -> bool:
        """Return whether the archive has the CRC-32 of a content, so that unpacking programs accept it."""
        return self._entries[name].crc == zlib.crc32(content)


def _entries(source: BinaryIO) -> list[Entry]:
    """Return the entries of an archive.

    1. The end says how many there are and where the directory is; nothing follows it.
    2. The directory is what the form makes of names, sizes and checksums.
    3. The files are in their order, without a gap, and so is the directory after them.
    4. Each file's own header is the one that the form makes of the same.
    """
    # 1.
    size = source.seek(0, 2)
    if not _END.size <= size <= MAX_PACK_BYTES:
        _refuse(f"it has {size:,} bytes; a pack has {_END.size} to {MAX_PACK_BYTES:,}")
    end = _read(source, size - _END.size, _END.size)
    _, _, _, _, count, length, start, _ = _END.unpack(end)
    if (
        not 0 < count <= MAX_ENTRIES
        or start + length + _END.size != size
        or _end(count, size=length, start=start) != end
    ):
        _refuse("its end is cut off, was altered, or something follows it")
    # 2.
    entries = list(_directory(_read(source, start, length), count))
    # 3.
    _require_order([entry.name for entry in entries])
    following = 0
    for entry in entries:
        if entry.offset != following:
            _refuse(f"{_shown(entry.name)} does not begin where the entry before it ends")
        following = entry.end
    if following != start:
        _refuse("there are bytes between the last entry and the directory, or they overlap")
    # 4.
    for entry in entries:
        header = entry.local_header()
        if _read(source, entry.offset, len(header)) != header:
            _refuse(f"the header of {_shown(entry.name)} differs from the directory, or is in another form")
    return entries


def _directory(data: bytes, count: int) -> Iterator[Entry]:
    at = 0
    for number in range(1, count + 1):
        fields = data[at : at + _CENTRAL.size]
        if len(fields) < _CENTRAL.size:
            _refuse("its directory is shorter than the number of its entries")
        values = _CENTRAL.unpack(fields)
        crc, size, name_length, offset = values[7], values[9], values[10], values[16]
        raw = data[at + _CENTRAL.size : at + _CENTRAL.size + min(name_length, MAX_NAME + 1)]
        entry = Entry(raw.decode("ascii", "backslashreplace"), size, crc, offset)
        _require_possible(entry, count=number)
        header = entry.central_header()
        if data[at : at + len(header)] != header:
            _refuse(f"the entry {_shown(entry.name)} is not in the form of a pack: stored, without extra fields")
        yield entry
        at += len(header)
    if at != len(data):
        _refuse("its directory has more than its entries")


def _require_possible(entry: Entry, *, count: int) -> None:
    if not is_name(entry.name):
        _refuse(f"it has a file {_shown(entry.name)}, which no pack has")
    if entry.size > MAX_ENTRY_BYTES:
        _refuse(f"{entry.name} has {entry.size:,} bytes; a file of a pack has at most {MAX_ENTRY_BYTES:,}")
    if entry.end > MAX_PACK_BYTES or count > MAX_ENTRIES:
        _refuse(f"it has more than {MAX_PACK_BYTES:,} bytes or {MAX_ENTRIES:,} files")


def _require_order(names: list[str]) -> None:
    """Check that names ascend, and that the manifest and its note are the last two."""
    ranks = [(_LAST.index(name) + 1 if name in _LAST else 0, name) for name in names]
    for before, after in pairwise(ranks):
        if before == after:
            _refuse(f"it has two files {_shown(after[1])}")
        if before > after:
            _refuse(f"{_shown(after[1])} is not in its place: files are in the order of their names, the manifest last")


def _end(count: int, *, size: int, start: int) -> bytes:
    return _END.pack(_END_SIGNATURE, 0, 0, count, count, size, start, 0)


def _read(source: BinaryIO, start: int, length: int) -> bytes:
    source.seek(start)
    data = source.read(length)
    if len(data) != length:
        _refuse("it is cut off")
    return data


def _shown(name: str) -> str:
    return ascii(name[:_SHOWN_NAME])


def _refuse(reason: str) -> NoReturn:
    message = f"the file is not an evidence pack as it was written: {reason}"
    raise FormatError(message)

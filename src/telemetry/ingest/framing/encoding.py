"""Recognizes how an input is compressed and encoded, and yields its text as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from itertools import chain

from telemetry.exceptions import InputError
from telemetry.ingest.framing import compression
from telemetry.ingest.framing.byte_source import ByteSource

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # Before UTF-16, whose mark is the first half of this one.
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_MARKS = (codecs.BOM_UTF8, *_BYTE_ORDER_MARKS)
_FOREIGN = {
    b"BZh": ("is compressed with bzip2", "use `bzcat FILE | telemetry log ...`"),
    b"\xfd7zXZ\0": ("is compressed with xz", "use `xzcat FILE | telemetry log ...`"),
    b"\x04\x22\x4d\x18": ("is compressed with lz4", "use `lz4cat FILE | telemetry log ...`"),
    b"PK\x03\x04": ("is a zip archive", "use `unzip -p FILE | telemetry log ...`"),
    b"<?xml": ("is XML", "convert it to JSON lines first"),
    b"ElfFile\0": ("is a Windows event log file", "convert it to JSON lines first"),
    b"Obj\x01": ("is an Avro file", "convert it to JSON lines first"),
    b"PAR1": ("is a Parquet file", "convert it to JSON lines first"),
    b"{\0": ("is in UTF-16 or UTF-32 without a byte order mark", "use `iconv -f UTF-16LE -t UTF-8`"),
    b"\0{": ("is in UTF-16 without a byte order mark", "use `iconv -f UTF-16BE -t UTF-8`"),
    b"[\0": ("is in UTF-16 or UTF-32 without a byte order mark", "use `iconv -f UTF-16LE -t UTF-8`"),
    b"\0[": ("is in UTF-16 without a byte order mark", "use `iconv -f UTF-16BE -t UTF-8`"),
}


_TWICE = ("is compressed twice", "use `zcat FILE | telemetry log ...`")
_PACKED_AGAIN: dict[bytes, tuple[str, str]] = {compression.GZIP: _TWICE, compression.ZSTD: _TWICE}


class TextSource:
    """The text of an input in UTF-8, without a byte order mark, whatever it is compressed with or encoded in.

    Args:
        source: The bytes of the input.

    Attributes:
        is_ended: Whether the end of the input was read.
    """

    def __init__(self, source: ByteSource) -> None:
        self.is_ended = False
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text in pieces.

        Raises:
            InputError: The input is compressed or encoded in a way that is not read here, or is damaged.
        """
        source = _Peeked(self._source, (*compression.MAGIC, *_MARKS, *_FOREIGN))
        for magic, name in ((compression.GZIP, "gzip"), (compression.ZSTD, "zstd")):
            if source.head.startswith(magic):
                unpacked = compression.DecompressedSource(source, name)
                source = _Peeked(unpacked, (*_MARKS, *_FOREIGN, *_PACKED_AGAIN))
                _require_readable(source.head, _PACKED_AGAIN)
                break
        _require_readable(source.head, _FOREIGN)
        source.head = source.head.removeprefix(codecs.BOM_UTF8)
        encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if source.head.startswith(mark)), "")
        yield from _decoded(source, encoding) if encoding else source
        self.is_ended = source.is_ended


class _Peeked:
    """A source whose first bytes are known: as many as it takes to say which of some beginnings it has."""

    def __init__(self, source: ByteSource, beginnings: tuple[bytes, ...]) -> None:
        self._source = source
        self._pieces = iter(source)
        self.head = b""
        # No further: a live pipe gives its next bytes only with its next event.
        while any(len(self.head) < len(start) and start.startswith(self.head) for start in beginnings):
            piece = next(self._pieces, b"")
            if not piece:
                break
            self.head += piece

    @property
    def is_ended(self) -> bool:
        return self._source.is_ended

    def __iter__(self) -> Iterator[bytes]:
        return chain((self.head,) if self.head else (), self._pieces)


def _require_readable(head: bytes, foreign: Mapping[bytes, tuple[str, str]]) -> None:
    for start, (what, remedy) in foreign.items():
        if head.startswith(start):
            message = f"the input {what}: {remedy}"
            raise InputError(message)


def _decoded(source: ByteSource, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in source:
            if text := decoder.decode(piece):
                yield text.encode()
        if source.is_ended:
            decoder.decode(b"", final=True)
    except UnicodeError as exc:
        message = f"the input begins like {encoding.upper()} and is not valid as such"
        raise InputError(message) from exc

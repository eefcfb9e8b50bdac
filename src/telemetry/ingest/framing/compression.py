"""Recognizes compressed input by its first bytes, and decompresses it piece by piece."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from telemetry.exceptions import InputError
from telemetry.ingest.framing.byte_source import ByteSource

GZIP = b"\x1f\x8b"
"""RFC 1952 section 2.3.1."""
ZSTD = b"\x28\xb5\x2f\xfd"
"""RFC 8878 section 3.1.1."""

MAGIC = (GZIP, ZSTD)

_GZIP_WINDOW = 31
"""zlib's word for: the largest window, with gzip's header and checksum."""
_PIECE_BYTES = 1 << 20
"""A few compressed bytes can stand for very many: so much is decompressed at once."""


class Decompressor(Protocol):
    """Decompresses one member or frame of compressed data."""

    @property
    def eof(self) -> bool:
        """Whether its end was reached."""

    @property
    def unused_data(self) -> bytes:
        """What follows its end."""


class DecompressedSource:
    """The content of compressed input: members one after the other, as ``cat a.gz b.gz`` joins them.

    Args:
        source: The compressed bytes.
        name: ``gzip`` or ``zstd``.

    Attributes:
        is_ended: Whether the end of the compressed bytes was read.

    Raises:
        InputError: This Python cannot decompress the format.
    """

    def __init__(self, source: ByteSource, name: str) -> None:
        self.is_ended = False
        self._source = source
        self._name = name
        self._new = _GzipMember if name == "gzip" else _zstd_frame()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content, at most 1 MiB at a time.

        Raises:
            InputError: The compressed data is damaged, or ends too early.
        """
        member: Any = None
        for chunk in self._source:
            rest = chunk
            while rest:
                if member is None:
                    rest = rest.lstrip(b"\0")  # Padding between members or at the end, as tapes and blocks leave it.
                    if not rest:
                        break
                    member = self._new()
                yield from self._content(member, rest)
                rest = member.unused_data if member.eof else b""
                if member.eof:
                    member = None
        if self._source.is_ended and member is not None:
            message = f"the input ends in the middle of its {self._name} data: it is not complete"
            raise InputError(message)
        self.is_ended = self._source.is_ended

    def _content(self, member: Any, data: bytes) -> Iterator[bytes]:
        try:
            content = member.decompress(data, _PIECE_BYTES)
            while content:
                yield content
                content = b"" if member.eof else member.decompress(b"", _PIECE_BYTES)
        except Exception as exc:
            if isinstance(exc, (zlib.error, EOFError)) or type(exc).__name__ == "ZstdError":
                message = f"the input's {self._name} data is damaged"
                raise InputError(message) from exc
            raise


class _GzipMember:
    """One member, which keeps what it has not decompressed yet, as the decompressors of other formats do."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP_WINDOW)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


def _zstd_frame() -> Any:
    try:
        # Part of Python since 3.14.
        return importlib.import_module("compression.zstd").ZstdDecompressor
    except ImportError as exc:
        message = (
            "the input is compressed with zstd, which this Python cannot decompress: "
            "use `zstdcat FILE | telemetry log ...`"
        )
        raise InputError(message) from exc

"""Reads the bytes of a stream as they come, and ends when the process is asked to stop."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from typing import IO, Protocol

from telemetry.exceptions import InputError
from telemetry.ingest.stop_signals import StopSignals

_CHUNK_BYTES = 1 << 18


class ByteSource(Protocol):
    """Bytes in pieces."""

    @property
    def is_ended(self) -> bool:
        """Whether the last piece was read; false where reading stopped before."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces; none is empty."""


class StreamSource:
    """The bytes of standard input or of a file. Reading never keeps the process from ending.

    Args:
        stream: The stream; nothing else may read from it.
        stop: Ends the reading, also while the stream has nothing to give.

    Attributes:
        is_ended: Whether the end of the stream was read.
    """

    def __init__(self, stream: IO[bytes], stop: StopSignals) -> None:
        self.is_ended = False
        self._stream = stream
        self._stop = stop
        self._descriptor: int | None = None
        # A stream in memory has no descriptor, and never blocks.
        with contextlib.suppress(AttributeError, OSError, io.UnsupportedOperation):
            self._descriptor = stream.fileno()

    def __iter__(self) -> Iterator[bytes]:
        """Yield what there is to read, at most 256 KiB at a time.

        Raises:
            InputError: The stream cannot be read.
        """
        while not self._stop.is_asked:
            try:
                chunk = self._read()
            except BlockingIOError:
                continue  # The program that opened the pipe made it non-blocking: wait until there is something.
            except OSError as exc:
                message = f"the input cannot be read: {exc.strerror}"
                raise InputError(message) from exc
            if chunk is None:
                return
            if not chunk:
                self.is_ended = True
                return
            yield chunk

    def _read(self) -> bytes | None:
        """Return the next bytes, none at the end, and None when the process is asked to stop."""
        if self._descriptor is None:
            return self._stream.read(_CHUNK_BYTES)
        if not self._stop.wait_readable(self._descriptor):
            return None
        return os.read(self._descriptor, _CHUNK_BYTES)


class WholeText:
    """Bytes that are in memory already, as a source.

    Args:
        data: All of them.
    """

    is_ended = True

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        """Yield them in one piece."""
        if self._data:
            yield self._data

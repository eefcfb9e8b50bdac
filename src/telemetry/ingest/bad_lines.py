"""Keeps the lines that were not logged, so that they can be mended and logged alone."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from telemetry.ingest.framing.frame import Frame
from telemetry.system.durable_file import create_private, open_private, require_target


class BadLines:
    """A file of lines with mode 0600. Each is written at once, so that a killed process leaves all of them.

    Args:
        path: Name of the file.
        known_bytes: Where a broken import goes on: the bytes of the lines that were done, at the file's beginning. None for
            a new file, whose name must be free.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be created.
    """

    def __init__(self, path: Path, *, known_bytes: int | None = None) -> None:
        self._lock = threading.Lock()
        self._again: Counter[bytes] = Counter()
        if known_bytes is None:
            self._descriptor = create_private(path)
        else:
            require_target(path, replace=True)
            self._descriptor = open_private(path)
            _cut_torn_line(self._descriptor, known_bytes)
            self._again = _lines_after(self._descriptor, known_bytes)
        # Where the lines that are done end; behind it stand lines that were read ahead of them.
        self._done_bytes = min(known_bytes or 0, os.lseek(self._descriptor, 0, os.SEEK_END))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def write(self, frame: Frame) -> None:
        """Append the exact bytes of a line; an item of a document becomes one line.

        Raises:
            OSError: The disk does not accept it.
        """
        data = _kept_bytes(frame)
        with self._lock:
            # The broken import had written it, but not remembered that.
            if self._again[data] > 0:
                self._again[data] -= 1
                return
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            try:
                written = 0
                while written < len(data):
                    written += os.write(self._descriptor, data[written:])
            except OSError:
                # A disk that is full has accepted a part of the line: the file has whole lines only.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._descriptor, end)
                raise

    def done(self, frame: Frame) -> None:
        """Learn that a line that was written is done, and with it all lines before; called in the order of the input."""
        self._done_bytes += len(_kept_bytes(frame))

    def sync(self) -> int:
        """Force what was written to the disk; return the bytes of the lines that are done.

        Raises:
            OSError: The disk does not accept it.
        """
        os.fsync(self._descriptor)
        return self._done_bytes


def _kept_bytes(frame: Frame) -> bytes:
    data = frame.data
    if frame.item is not None:
        # In JSON a line end is only between tokens, where a space means the same.
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
    return data if frame.is_part else data + b"\n"


def _cut_torn_line(descriptor: int, start: int) -> None:
    """Remove a line of which a crash left only a part, after the lines that were done."""
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, min(start, size), os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        whole = sum(len(line) for line in stream if line.endswith(b"\n"))
    if start + whole < size:
        os.ftruncate(descriptor, start + whole)


def _lines_after(descriptor: int, start: int) -> Counter[bytes]:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    os.lseek(descriptor, min(start, size), os.SEEK_SET)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        return Counter(stream)

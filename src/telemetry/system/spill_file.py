"""Keeps bytes that do not fit into memory in a file without a name, which no other process can open."""

from __future__ import annotations

import tempfile
import weakref
from pathlib import Path
from typing import IO, Any

from telemetry.system.file_errors import storage_error


class SpillFile:
    """An append-only file of mode 0600 that has no name: it is gone when it is closed, or when the process ends.

    It is created in the folder for temporary files (``TMPDIR``) by the first bytes that are written.

    Attributes:
        size: Bytes that were written.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self.size = 0

    def append(self, data: bytes | bytearray) -> int:
        """Write bytes at the end; return where they begin.

        Raises:
            StorageError: The disk is full, or the file cannot be written.
        """
        start = self.size
        try:
            if self._file is None:
                # Unbuffered: the callers write whole blocks, and read what they have just written.
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this object
                weakref.finalize(self, self._file.close)
            self._file.seek(start)
            _write_all(self._file, data)
        except OSError as exc:
            raise _error(exc, "writing") from exc
        self.size = start + len(data)
        return start

    def read(self, start: int, length: int) -> bytes:
        """Return bytes that were written.

        Raises:
            StorageError: The file cannot be read.
        """
        if self._file is None or not length:
            return b""
        try:
            self._file.seek(start)
            parts = []
            while length and (part := self._file.read(length)):
                parts.append(part)
                length -= len(part)
        except OSError as exc:
            raise _error(exc, "reading") from exc
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Remove the file; bytes can be written again afterwards."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.size = 0


def _write_all(file: IO[bytes], data: Any) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _error(exc: OSError, doing: str) -> Exception:
    return storage_error(exc, doing=f"{doing} a temporary file in", path=Path(tempfile.gettempdir()), place="TMPDIR")

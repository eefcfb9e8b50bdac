"""Fetches a data file whole, and compares it with its seal: what was hashed is what is read."""

from __future__ import annotations

import hashlib
import hmac
import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import pyarrow as pa

from telemetry.archive.files.data_file import DataFile
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider
from telemetry.system.file_errors import storage_error

_MEMORY_BYTES = 32 << 20
"""A larger file is in a temporary file without a name while it is read."""


class FetchedFile:
    """The copy of a data file, until it is closed.

    Args:
        store: Store of the archive.
        file: What its seal says of it.

    Attributes:
        file: What its seal says of it.
        problem: How it differs from what was sealed; empty if it does not.

    Raises:
        StorageNotFoundError: There is no such file.
        StorageError: The store refused or did not answer, or the disk is full.
    """

    def __init__(self, store: StorageProvider, file: SealedFile) -> None:
        self.file = file
        # Closed by close(): the copy lives as long as this object.
        self._copy: IO[bytes] = io.BytesIO() if file.size <= _MEMORY_BYTES else tempfile.TemporaryFile()  # noqa: SIM115
        digest, size = hashlib.sha256(), 0
        try:
            for part in store.stream(file.name):
                digest.update(part)
                size += len(part)
                self._write(part)
        except BaseException:
            self._copy.close()
            raise
        is_same = hmac.compare_digest(digest.hexdigest(), file.sha256)
        self.problem = "" if is_same else f"its {size} bytes are not those that were sealed ({file.size} bytes)"

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, some thousand at a time.

        Args:
            columns: The columns to read.

        Raises:
            ArchiveFileError: The file is no data file of an archive, or cannot be read.
        """
        # Whatever can be read at any position will do.
        with DataFile(cast("io.BytesIO", self._copy), name=self.file.name) as data:
            yield from data.batches(columns)

    def close(self) -> None:
        """Give the copy up."""
        self._copy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, part: bytes) -> None:
        try:
            self._copy.write(part)
        except OSError as exc:
            folder = Path(tempfile.gettempdir())
            raise storage_error(exc, doing="copying a data file to", path=folder, place="TMPDIR") from exc

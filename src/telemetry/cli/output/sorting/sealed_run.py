"""Keeps sorted items in a file without a name, sealed under a key that only this process has in its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import StorageError
from telemetry.system.spill_file import SpillFile

SortKey = tuple[int | str, ...]
"""Compared member by member; the same members in each key of a sort."""
Item = tuple[SortKey, bytes]

_BLOCK_BYTES = 64 << 10

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[list[int | str], bytes]]).decode


class SealedRun:
    """Sorted items on the disk. Each block of them is sealed with AES-256-GCM (NIST SP 800-38D).

    The file has no name and mode 0600, and is gone with the process. The key must not be stored anywhere.

    Args:
        items: The items, sorted; they are written at once.
        cipher: The cipher, with a key that is used for this sort alone.
        number: Number of the run; no two runs under one key have the same.

    Raises:
        StorageError: The disk is full, or the file cannot be written.
    """

    def __init__(self, items: Iterable[Item], *, cipher: AESGCM, number: int) -> None:
        self._cipher = cipher
        self._number = number
        self._file = SpillFile()
        self._blocks: list[tuple[int, int]] = []
        block: list[Item] = []
        size = 0
        for item in items:
            block.append(item)
            size += len(item[1])
            if size >= _BLOCK_BYTES:
                self._write(block)
                block, size = [], 0
        if block:
            self._write(block)

    def __iter__(self) -> Iterator[Item]:
        """Yield the items; one block of them is in memory.

        Raises:
            StorageError: The file cannot be read, or was altered.
        """
        for index, (start, length) in enumerate(self._blocks):
            try:
                data = self._cipher.decrypt(self._nonce(index), self._file.read(start, length), None)
            except InvalidTag:
                message = "a temporary file was altered while it was used; look who may write to this process's files"
                raise StorageError(message) from None
            for key, item in _decode(data):
                yield tuple(key), item

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _write(self, block: Any) -> None:
        sealed = self._cipher.encrypt(self._nonce(len(self._blocks)), _encode(block), None)
        self._blocks.append((self._file.append(sealed), len(sealed)))

    def _nonce(self, index: int) -> bytes:
        # Run and block: no two blocks under one key have the same.
        return self._number.to_bytes(4, "big") + index.to_bytes(8, "big")

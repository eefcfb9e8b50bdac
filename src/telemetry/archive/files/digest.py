"""Computes the digest of a data file, as its seal has it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from telemetry.storage import StorageProvider


class FileDigest(NamedTuple):
    """What identifies the bytes of a file.

    Attributes:
        sha256: SHA-256 in hexadecimal.
        size: Number of bytes.
    """

    sha256: str
    size: int


def digest_of(store: StorageProvider, name: str) -> FileDigest:
    """Return the digest of a file, which is read in parts.

    Raises:
        StorageError: It is absent, or the store did not answer.
    """
    digest, size = hashlib.sha256(), 0
    for part in store.stream(name):
        digest.update(part)
        size += len(part)
    return FileDigest(digest.hexdigest(), size)

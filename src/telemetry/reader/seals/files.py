"""Compares the live files of an archive with what their seals say of them, one file at a time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageCredentialsError,
    StorageLimitError,
    StorageNotFoundError,
)
from telemetry.format.archive.live_files import LiveFile, LiveFiles
from telemetry.format.archive.seal_form import DATA
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.verify.verdicts import Finding, Verdict
from telemetry.storage import StorageProvider


class FileDigest:
    """Hashes one live file while somebody reads it.

    Args:
        live: What its seal says of it.
    """

    def __init__(self, live: LiveFile) -> None:
        self._live = live
        self._hash = hashlib.sha256()
        self._size = 0

    def update(self, part: bytes) -> None:
        """Add the next bytes of the file."""
        self._hash.update(part)
        self._size += len(part)

    @property
    def is_too_long(self) -> bool:
        """Whether there are more bytes than were sealed, so that reading on is of no use."""
        return self._size > self._live.file.size

    def findings(self, rows: int | None = None) -> Iterator[Finding]:
        """Yield where the file is not what was sealed, once all its bytes were added.

        Args:
            rows: Rows that a reader counted in it; None where nobody did.
        """
        file, by = self._live.file, seal_name(self._live.number)
        if self._size != file.size:
            yield Finding(
                Verdict.TAMPERED,
                f"the file has {'more' if self.is_too_long else self._size} bytes, and {by} says {file.size}",
                place=file.name,
                field="size",
            )
        elif not hmac.compare_digest(self._hash.hexdigest(), file.sha256):
            reason = f"the file is not the one that was sealed: its SHA-256 is another than {by} says"
            yield Finding(Verdict.TAMPERED, reason, place=file.name, field="digest")
        if rows is not None:
            yield from wrong_rows(self._live, rows)


def judge_file(store: StorageProvider, live: LiveFile) -> list[Finding]:
    """Return where a live file is not what its seal says; its bytes are streamed.

    Args:
        store: The archive's store.
        live: The file.

    Raises:
        StorageError: The store refused or did not answer.
    """
    digest = FileDigest(live)
    try:
        for part in store.stream(live.file.name):
            digest.update(part)
            if digest.is_too_long:
                break
    except StorageNotFoundError:
        return [absent_file(live)]
    except StorageCredentialsError:
        raise
    except StorageAccessDeniedError as exc:
        # One file that is withheld, or is a link or a pipe, must not end the examination of the others.
        return [Finding(Verdict.UNVERIFIABLE, f"the file cannot be read: {exc}", place=live.file.name)]
    except StorageLimitError as exc:
        return [Finding(Verdict.TAMPERED, f"the file is not the one that was sealed: {exc}", place=live.file.name)]
    return list(digest.findings())


def absent_file(live: LiveFile) -> Finding:
    """Return the finding of a live file that is not in the store."""
    file = live.file
    reason = (
        f"the file is absent, and {seal_name(live.number)} says that it has {file.rows} rows of {file.day}: it was removed "
        "without a seal that says so"
    )
    return Finding(Verdict.MISSING, reason, place=file.name)


def wrong_rows(live: LiveFile, rows: int) -> Iterator[Finding]:
    """Yield where a file has another number of rows than its seal says.

    Args:
        live: The file.
        rows: Rows that a reader counted in it.
    """
    if rows != live.file.rows:
        reason = f"the file has {rows} rows, and {seal_name(live.number)} says {live.file.rows}"
        yield Finding(Verdict.TAMPERED, reason, place=live.file.name, field="rows")


@dataclass(frozen=True, slots=True)
class OtherFiles:
    """Files below ``events/data/`` that are not live: removed by a seal and not deleted yet, or of no seal at all.

    Attributes:
        count: How many there are.
        size: Their bytes.
    """

    count: int
    size: int


def count_others(store: StorageProvider, live: LiveFiles) -> OtherFiles:
    """Return how many files are beside the live ones; nobody reads them, so they are no finding.

    Raises:
        StorageError: The store refused or did not answer.
    """
    count = size = 0
    for entry in store.list(DATA):
        if entry.name not in live:
            count, size = count + 1, size + entry.size
    return OtherFiles(count, size)

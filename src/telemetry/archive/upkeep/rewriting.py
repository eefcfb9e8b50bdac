"""Writes live files of one day anew, and reads what was written again before anything is sealed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from telemetry.archive.files.writing import DataFileWriter
from telemetry.archive.upkeep.row_change import RowChange
from telemetry.archive.upkeep.sorted_run import sorted_rows
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider


class Rewritten(NamedTuple):
    """Files of one day that are to replace others; they are not sealed yet.

    Attributes:
        removed: The live files.
        added: The files in their place; none where no row is left.
    """

    removed: tuple[SealedFile, ...]
    added: tuple[SealedFile, ...]


def rewrite(store: StorageProvider, files: Sequence[SealedFile], change: RowChange, *, max_bytes: int) -> Rewritten:
    """Write live files of one day anew.

    1. The inputs are checked with the digests in their seals, and merged.
    2. What was written is read from the store again, and compared.

    A file that was written and is never sealed is no part of the archive, and the next clean-up removes it.

    Args:
        store: The archive's store.
        files: The live files, all of one day.
        change: What happens to the rows.
        max_bytes: Largest file to write.

    Raises:
        TamperedError: A live file is not the one that was sealed.
        ArchiveError: What was written is not what was to be written.
        StorageNotFoundError: A live file is not there any more: another process has replaced it.
        StorageError: The store refused or did not answer, or the disk is full.
    """
    # 1.
    added = _written(store, files, change, max_bytes=max_bytes)
    try:
        # 2.
        change.require_kept(sorted_rows(store, added))
    except BaseException:
        discard(store, added)
        raise
    return Rewritten(tuple(files), added)


def discard(store: StorageProvider, files: Iterable[SealedFile]) -> None:
    """Delete files that were written and are certain never to be sealed."""
    for file in files:
        store.delete(file.name)


def _written(
    store: StorageProvider, files: Sequence[SealedFile], change: RowChange, *, max_bytes: int
) -> tuple[SealedFile, ...]:
    rows = sum(file.rows for file in files)
    writer = DataFileWriter(store, day=date.fromisoformat(files[0].day), max_bytes=max_bytes, rows=rows)
    try:
        for table in change.changed(sorted_rows(store, files)):
            writer.write(table)
        return tuple(writer.close())
    except BaseException:
        writer.abandon()
        raise

"""Rewrites one day of an archive and seals it, again if another process was faster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress

from telemetry.archive.upkeep.open_archive import InputsReplacedError, OpenArchive
from telemetry.archive.upkeep.rewriting import Rewritten, discard, rewrite
from telemetry.archive.upkeep.row_change import RowChange
from telemetry.exceptions import ArchiveConflictError, StorageError, StorageNotFoundError
from telemetry.format.archive.seal import Commit, Seal, SealedFile
from telemetry.format.archive.succession import ArchiveState

_ATTEMPTS = 5


class DayWork(ABC):
    """One kind of upkeep, as far as it differs from the others."""

    @abstractmethod
    def inputs(self, state: ArchiveState, day: str) -> Sequence[SealedFile]:
        """Return the live files of a day that are to be rewritten; empty for none."""

    @abstractmethod
    def change(self) -> RowChange:
        """Return what happens to the rows, anew for each attempt."""

    @abstractmethod
    def commit(self, rewritten: Rewritten, change: RowChange) -> Commit | None:
        """Return what is to be sealed; None if it turned out that nothing is."""


def rewrite_day(archive: OpenArchive, work: DayWork, day: str) -> Seal | None:
    """Rewrite a day and seal it.

    Args:
        archive: The archive.
        work: What is done.
        day: The day, ``YYYY-MM-DD``.

    Returns:
        The seal; None if there was nothing to do.

    Raises:
        TamperedError: A seal or a live file is not believed.
        ArchiveConflictError: Another process replaced the inputs each time.
        ArchiveError: What was written is not what was to be written.
        StorageError: The store refused or did not answer.
    """
    for _ in range(_ATTEMPTS):
        files = work.inputs(archive.state(), day)
        if not files:
            return None
        change = work.change()
        try:
            rewritten = rewrite(archive.store, files, change, max_bytes=archive.settings.file_bytes)
        except StorageNotFoundError:
            if _are_live(archive, files):
                raise
            continue  # another process has replaced them, and the clean-up was quick
        commit = work.commit(rewritten, change)
        if commit is None:
            discard(archive.store, rewritten.added)
            return None
        try:
            return archive.commit(commit)
        except InputsReplacedError:
            # It is certain that no seal names them. After any other error it is not: the clean-up decides later.
            with suppress(StorageError):
                discard(archive.store, rewritten.added)
    message = f"other processes have replaced the files of {day} each time; run it when they have finished"
    raise ArchiveConflictError(message)


def _are_live(archive: OpenArchive, files: Sequence[SealedFile]) -> bool:
    live = archive.state().live
    return all(file.name in live for file in files)

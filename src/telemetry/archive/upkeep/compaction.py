"""Merges the many files of a day that is over into few sorted ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from telemetry.archive.upkeep.day_work import DayWork, rewrite_day
from telemetry.archive.upkeep.open_archive import OpenArchive
from telemetry.archive.upkeep.rewriting import Rewritten
from telemetry.archive.upkeep.row_change import RowChange, Unchanged
from telemetry.format.archive.seal import Commit, Seal, SealedFile, SealKind
from telemetry.format.archive.succession import ArchiveState

MAX_INPUTS = 10_000
"""Files of one compaction; a seal names at most twice as many."""


class CompactableDay(NamedTuple):
    """A day whose files are worth merging.

    Attributes:
        day: The day, ``YYYY-MM-DD``.
        files: The files that would be merged.
    """

    day: str
    files: tuple[SealedFile, ...]

    @property
    def rows(self) -> int:
        """Rows in these files."""
        return sum(file.rows for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of these files."""
        return sum(file.size for file in self.files)


class Compaction(DayWork):
    """Merges small files; and all files of a day as long as several commits have written large ones of it.

    Files of one commit are sorted among themselves, so that a stream is in as many pieces as there were commits.

    Args:
        max_bytes: Largest file to write; one that is less than half full is small.
    """

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def days(self, state: ArchiveState, *, until: date) -> list[CompactableDay]:
        """Return the days before a date whose files are worth merging, the oldest first.

        Args:
            state: The archive.
            until: The first day that is not looked at.
        """
        names = sorted({file.day for file in state.live.files() if file.day < until.isoformat()})
        days = (CompactableDay(day, tuple(self.inputs(state, day))) for day in names)
        return [day for day in days if day.files]

    def inputs(self, state: ArchiveState, day: str) -> Sequence[SealedFile]:
        """Return the files that are to be merged; none if there is only one."""
        files = [file for file in state.live.files() if file.day == day]
        large = [file for file in files if file.size >= self._max_bytes // 2]
        if len({_writer_of(file) for file in large}) <= 1:
            files = [file for file in files if file.size < self._max_bytes // 2]
        return files[:MAX_INPUTS] if len(files) > 1 else ()

    def change(self) -> RowChange:
        """Return the change: none."""
        return Unchanged()

    def commit(self, rewritten: Rewritten, change: RowChange) -> Commit:  # noqa: ARG002 - other work asks it
        """Return what is to be sealed."""
        removed = tuple(file.name for file in rewritten.removed)
        return Commit(kind=SealKind.COMPACT, added=rewritten.added, removed=removed)


def closed_until(now: datetime, *, after_days: int) -> date:
    """Return the first day that is not closed yet.

    Args:
        now: Present time, with its time zone.
        after_days: Days after which few events of a day still arrive.
    """
    return (now.astimezone(UTC) - timedelta(days=after_days)).date()


def compact_day(archive: OpenArchive, compaction: Compaction, day: str) -> Seal | None:
    """Merge the files of a day; see :func:`telemetry.archive.upkeep.day_work.rewrite_day`."""
    return rewrite_day(archive, compaction, day)


def _writer_of(file: SealedFile) -> str:
    # The files that are written together have one UUID in their names, and numbers after it.
    return file.name.rpartition("/")[2].rpartition("-")[0]

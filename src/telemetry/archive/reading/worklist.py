"""Says which files of an archive are still to be read, also when a compaction replaces some of them meanwhile."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.days import DayRange
from telemetry.archive.reading.places import PlaceSet
from telemetry.format.archive.seal import Seal, SealedFile
from telemetry.reader.entry import Place


@dataclass(frozen=True, slots=True)
class FileTask:
    """A file to be read.

    Attributes:
        file: The file.
        skip: Places of its day that were read from files which it replaces in part; None if it replaces none of them.
    """

    file: SealedFile
    skip: PlaceSet | None = None


class Worklist:
    """The files that are live when reading begins, and what takes their place.

    Rows are read once: a file that replaces only files that were read is passed over, and of one that replaces files of
    both kinds the rows are read whose places were not. Only the places of the day that is being read are remembered; files
    of one commit replace files of the same day.

    Args:
        reader: The archive.
        days: The days to read; None for all.
    """

    def __init__(self, reader: ArchiveReader, *, days: DayRange | None = None) -> None:
        self._reader = reader
        # Others may refresh the reader meanwhile.
        self._number = reader.number
        self._waiting = {file.name: file for file in reader.live_files(days=days)}
        # By name, and so by day; those that were replaced are passed over when their turn comes.
        self._order = sorted(self._waiting)
        # Read, or replaced by what was read; the day of each.
        self._done: dict[str, str] = {}
        self._in_part: set[str] = set()
        self._day = ""
        self._places = PlaceSet()

    @property
    def rows(self) -> int:
        """Rows of the files that are waiting."""
        return sum(file.rows for file in self._waiting.values())

    def take(self) -> FileTask | None:
        """Return the next file; None if there is none. Call :meth:`finish` or :meth:`replace` for it next."""
        while self._order and self._order[0] not in self._waiting:
            heapq.heappop(self._order)
        if not self._order:
            return None
        file = self._waiting[self._order[0]]
        if file.day != self._day:
            self._day, self._places = file.day, PlaceSet()
        return FileTask(file, self._places if file.name in self._in_part else None)

    def finish(self, task: FileTask, places: list[Place]) -> None:
        """Note that a file was read.

        Args:
            task: The file.
            places: The places of its rows.
        """
        del self._waiting[task.file.name]
        self._done[task.file.name] = task.file.day
        self._places.add_all(places)

    def replace(self, task: FileTask, places: list[Place]) -> bool:
        """Find what has replaced a file that is not there; return False if nothing has: then it is missing.

        Args:
            task: The file.
            places: The places of those of its rows that were read before it was gone.

        Raises:
            TamperedError: A seal is missing, or is not believed.
            StorageError: The seals cannot be read.
        """
        if places:
            self._places.add_all(places)
            self._in_part.add(task.file.name)
        self._reader.refresh()
        for number in range(self._number + 1, self._reader.number + 1):
            self._follow(self._reader.seals.read(number).seal)
            self._number = number
        if task.file.name not in self._waiting:
            return True
        del self._waiting[task.file.name]
        self._done[task.file.name] = task.file.day
        return False

    def _follow(self, seal: Seal) -> None:
        """Change the list as a commit has changed the live files; what it adds in no file's place is not read."""
        waiting = [self._waiting.pop(name) for name in seal.removed if name in self._waiting]
        read = {self._done[name] for name in seal.removed if name in self._done}
        left = {file.day for file in waiting}
        for file in seal.added:
            if file.day in left:
                self._waiting[file.name] = file
                heapq.heappush(self._order, file.name)
                if file.day in read or any(each.name in self._in_part for each in waiting if each.day == file.day):
                    self._in_part.add(file.name)
            elif file.day in read:
                self._done[file.name] = file.day

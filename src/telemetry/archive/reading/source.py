"""Reads the records of an archive back, in the order of day, file, producer and sequence."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Any

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.days import DayRange
from telemetry.archive.reading.fetched_file import FetchedFile
from telemetry.archive.reading.file_part import FilePart
from telemetry.archive.reading.worklist import FileTask, Worklist
from telemetry.archive.rows.records import RECORD_COLUMNS, records_of
from telemetry.exceptions import ArchiveFileError, StorageNotFoundError, TamperedError, TelemetryError
from telemetry.reader.entry import DamagedRecord, EndedRun, Place, RawRecord, SourceRecord
from telemetry.trail.progress import StepProgress


class ArchiveSource:
    """The records of an archive as a source of a trail; those that were archived later are not among them.

    Each file is compared with its seal before its rows are used. A file that is missing or altered is a damaged record,
    and of an altered one the rows are used too: what they contain proves itself, or does not. Files that a compaction
    replaces meanwhile are followed: no row is lost, and none comes twice.

    Args:
        reader: The archive.
        topic: Topic of the trail, in the place of records that came from the fallback store.
        days: Days to read; None for all.
        producers: The producers whose rows are read, by what the archive says of them; files are not compared with their
            seals then, because most of their bytes are not read. None for everything.
        progress: Learns how many rows there are.
    """

    def __init__(
        self,
        reader: ArchiveReader,
        *,
        topic: str,
        days: DayRange | None = None,
        producers: Collection[str] | None = None,
        progress: StepProgress | None = None,
    ) -> None:
        self._reader = reader
        self._topic = topic
        self._days = days
        self._producers = producers
        self._progress = progress
        self._stopping = threading.Event()

    def __iter__(self) -> Iterator[SourceRecord]:
        """Yield the records.

        Raises:
            StorageError: The store refused or did not answer.
            TamperedError: A file was replaced, and the seal that says so is not believed.
        """
        work = Worklist(self._reader, days=self._days)
        if self._progress is not None and self._producers is None:
            self._progress.expect(work.rows)
        while (task := work.take()) is not None and not self._stopping.is_set():
            places: list[Place] = []
            try:
                with closing(self._opened(task)) as rows:
                    yield from self._records(rows, task, places)
            except StorageNotFoundError:
                if not work.replace(task, places):
                    yield self._problem(task, "it is missing, although a seal names it and none has removed it")
            else:
                work.finish(task, places)

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        days = [None if day is None else day.isoformat() for day in self._days or ()]
        return {**self._reader.describe(), **({"days": days} if any(days) else {})}

    def stop(self) -> None:
        """End the records soon; can be called from any thread."""
        self._stopping.set()

    def _opened(self, task: FileTask) -> FetchedFile | FilePart:
        if self._producers is None:
            return FetchedFile(self._reader.store, task.file)
        return FilePart(self._reader.store, task.file, producers=self._producers)

    def _records(self, rows: FetchedFile | FilePart, task: FileTask, places: list[Place]) -> Iterator[SourceRecord]:
        """Yield the records of a file that were not read before, and note their places."""
        if rows.problem:
            yield self._problem(task, rows.problem)
        row = 0
        try:
            for batch in rows.batches(RECORD_COLUMNS):
                for record in records_of(batch, store_name=self._topic, file=task.file.name, first_row=row):
                    if self._stopping.is_set():
                        return
                    place = _place_of(record)
                    if task.skip is None or place not in task.skip:
                        places.append(place)
                        yield record
                row += batch.num_rows
        except ArchiveFileError as exc:
            yield self._problem(task, str(exc), exc)
            return
        if self._producers is None and row != task.file.rows:
            yield self._problem(task, f"it has {row} rows, and its seal says {task.file.rows}")

    def _problem(self, task: FileTask, reason: str, error: TelemetryError | None = None) -> DamagedRecord:
        place = Place(self._reader.name, None, 0, task.file.name)
        error = error or TamperedError(f"the data file is not what seal {self._reader.number} says: {reason}")
        return DamagedRecord(place, error, RawRecord(None, None, place), is_vouched=True)


def _place_of(record: SourceRecord) -> Place:
    # An ended run has no place of its own: in another file it has another row.
    if isinstance(record, EndedRun):
        return Place(record.source, None, record.first, f"ended/{record.producer}")
    return record.place

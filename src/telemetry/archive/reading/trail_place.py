"""Offers an archive as a place that is read instead of topic and store, as often as it is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from telemetry.archive.files.data_file import open_data_file
from telemetry.archive.reading.among import rows_with
from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.days import DayRange
from telemetry.archive.reading.source import ArchiveSource
from telemetry.config import StorageConfig
from telemetry.exceptions import StorageNotFoundError
from telemetry.format.archive.seal import SealedFile
from telemetry.format.uuid7 import created_at
from telemetry.reader.sources.source import Source
from telemetry.trail.progress import StepProgress

_DAY = timedelta(days=1)
_ROSTER = "roster"
_MAX_TRIES = 5
"""How often the search begins anew because a compaction has replaced a file."""


class ArchivePlace:
    """An archive, or the days and producers of it in which some events are.

    Args:
        reader: The archive.
        topic: Topic of the trail.
        days: The days; None for all.
        producers: The producers; None for all.
    """

    def __init__(
        self,
        reader: ArchiveReader,
        *,
        topic: str,
        days: DayRange | None = None,
        producers: Collection[str] | None = None,
    ) -> None:
        self._reader = reader
        self._topic = topic
        self._days = days
        self._producers = producers

    @property
    def reader(self) -> ArchiveReader:
        """The archive."""
        return self._reader

    @property
    def storage(self) -> StorageConfig:
        """Configuration of the archive's store, for another process or thread."""
        return self._reader.store.config

    def between(self, since: str, until: str) -> ArchivePlace:
        """Return the days that can have the events of a range of time.

        Args:
            since: Earliest time of logging, RFC 3339; empty for the beginning.
            until: Latest one; empty for no end.
        """
        return ArchivePlace(self._reader, topic=self._topic, days=DayRange.of_times(since, until))

    def rosters(self) -> Iterator[bytes]:
        """Yield the values of the rosters of witnesses; other values are not read.

        Raises:
            ArchiveFileError: A file cannot be read.
            StorageError: The store refused or did not answer.
        """
        for file in self._reader.live_files(days=self._days):
            with open_data_file(self._reader.store, file.name, size=file.size) as data:
                for group in range(data.groups):
                    if _ROSTER in data.read_group(group, ("kind",)).column("kind").to_pylist():
                        for batch in data.batches(("kind", "value"), groups=[group]):
                            found = rows_with(batch, "kind", [_ROSTER])
                            yield from (value for value in found.column("value").to_pylist() if value is not None)

    def source(self, *, progress: StepProgress | None = None) -> Source:
        """Return the records; see :class:`telemetry.trail.place.TrailPlace`."""
        return ArchiveSource(
            self._reader, topic=self._topic, days=self._days, producers=self._producers, progress=progress
        )

    def near(self, event_ids: Collection[str]) -> Sequence[ArchivePlace]:
        """Return the parts with the producers of some events: the days around them, then all days.

        The ids are looked for in their own column, in the days that they name themselves first: an id begins with its time.

        Raises:
            ArchiveFileError: A file cannot be read.
            StorageError: The store refused or did not answer.
        """
        for days in dict.fromkeys((_days_of(event_ids), self._days or DayRange())):
            producers = self._producers_of(event_ids, days)
            if producers:
                around = (days, DayRange()) if days != DayRange() else (days,)
                return [self._part(each, producers) for each in around]
        return []

    def _part(self, days: DayRange, producers: Collection[str]) -> ArchivePlace:
        return ArchivePlace(self._reader, topic=self._topic, days=days, producers=producers)

    def _producers_of(self, event_ids: Collection[str], days: DayRange) -> frozenset[str]:
        for attempt in range(_MAX_TRIES):
            try:
                found = [self._producers_in(file, event_ids) for file in self._reader.live_files(days=days)]
                return frozenset().union(*found)
            except StorageNotFoundError:
                if attempt == _MAX_TRIES - 1 or not self._reader.refresh():
                    raise
        return frozenset()

    def _producers_in(self, file: SealedFile, event_ids: Collection[str]) -> set[str]:
        producers = set[str]()
        with open_data_file(self._reader.store, file.name, size=file.size) as data:
            for batch in data.batches(("id", "producer")):
                found = rows_with(batch, "id", event_ids)
                producers.update(name for name in found.column("producer").to_pylist() if name is not None)
        return producers


def _days_of(event_ids: Collection[str]) -> DayRange:
    """Return the days around the times that ids begin with, with a day of room; all days where one has no time."""
    times = [created_at(event_id) for event_id in event_ids]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return DayRange()
    try:
        first, last = (datetime.fromtimestamp(time, UTC) for time in (min(known), max(known)))
        return DayRange((first - _DAY).date(), (last + _DAY).date())
    except (OverflowError, ValueError):
        return DayRange()

"""Searches an archive: narrow columns first, and the values of what was found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa

from telemetry.archive.reading.archive import ArchiveReader
from telemetry.archive.reading.days import DayRange
from telemetry.archive.searching.conditions import CLEAR_COLUMNS, SearchedEvents, Where
from telemetry.archive.searching.engine import SearchEngine, stored_name
from telemetry.archive.searching.hits import FOUND_COLUMNS, Hit, HitReader
from telemetry.archive.searching.key_hashes import key_hashes_of
from telemetry.archive.searching.statements import places, select
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ArchiveFileError
from telemetry.format.archive.seal import SealedFile
from telemetry.reader.entry import RawRecord

T = TypeVar("T")

MAX_HITS = 10_000
MAX_GROUPS = 1_000
COUNTED = {"type": "type", "outcome": "outcome", "service": "service", "day": "strftime(day, '%Y-%m-%d')"}
"""What events are counted by, and the expression of each."""

_TRIES = 5
_MAX_CHECKPOINTS = 1_000_000
_MAX_SERVICES = 10_000
_FOUND = ", ".join(f'"{name}"' for name in FOUND_COLUMNS)


class Found(NamedTuple):
    """What a search has found.

    Attributes:
        hits: The events that were logged last, in the order of their times.
        altered: Rows whose columns are not what their value says: they are no hits.
        is_cut: Whether there are more events.
    """

    hits: list[Hit]
    altered: list[Hit]
    is_cut: bool


class _Spot(NamedTuple):
    """Where a row is: the file, and its number in it."""

    file: str
    row: int


class ArchiveSearch:
    """Searches an archive; a compaction meanwhile makes it begin anew.

    Args:
        reader: The archive.
        engine: Runs the queries.
        config: Says how Kafka keys are hidden, and what the topic is called.
    """

    def __init__(self, reader: ArchiveReader, engine: SearchEngine, *, config: TelemetryConfig) -> None:
        self._reader = reader
        self._engine = engine
        self._config = config
        self._hits = HitReader(topic=config.audit_config.kafka_topic)

    def find(self, searched: SearchedEvents, *, limit: int) -> Found:
        """Return the events that were logged last, of those that are searched for; copies of a record count once.

        Args:
            searched: What is searched for.
            limit: How many, 1 to 10,000.

        Raises:
            ArchiveFileError: A file cannot be read.
            StorageError: The store refused or did not answer.
            KeyServiceError: The store of subject keys is not available.
        """
        return self._again(partial(self._find, searched, limit))

    def count_by(self, searched: SearchedEvents, column: str) -> list[tuple[str | None, int]]:
        """Return how many records there are for each value of a column, the most frequent first; copies count too.

        Args:
            searched: What is searched for.
            column: A name in ``COUNTED``.

        Raises:
            As :meth:`find`.
        """
        return self._again(partial(self._count_by, searched, COUNTED[column]))

    def checkpoints_of(self, hits: Iterable[Hit]) -> list[RawRecord]:
        """Return the smallest checkpoint that covers each event, as far as the archive has one.

        Raises:
            As :meth:`find`.
        """
        return self._again(partial(self._checkpoints_of, list(hits)))

    def lacking_columns(self, searched: SearchedEvents) -> list[str]:
        """Return the columns that are asked for and that no event of the archive has in the clear.

        Raises:
            As :meth:`find`.
        """
        asked = [column for name, column in CLEAR_COLUMNS.items() if getattr(searched.filter, name)]
        asked += ["action"] if searched.actions else []
        files = self._files(searched)
        if not asked or not files:
            return []
        counts = ", ".join(f'count("{column}")' for column in asked)
        table = self._again(lambda: self._engine.table(select(counts), self._files(searched)))
        return [name for name, counted in zip(asked, table.columns, strict=True) if not counted[0].as_py()]

    def _find(self, searched: SearchedEvents, limit: int) -> Found:
        files = self._files(searched)
        if not files:
            return Found([], [], is_cut=False)
        where = self._where(searched, files)
        # One more than is wanted, and room for copies.
        order = f"ORDER BY time DESC, producer, sequence LIMIT {2 * limit + 2}"
        statement = select("filename, file_row_number", where=where.text, rest=order)
        table = self._engine.table(statement, files, where.values)
        hits = list(self._hits.hits(self._rows_at(table, files)))
        altered = [hit for hit in hits if hit.differing]
        sound = sorted(_once(hit for hit in hits if not hit.differing), key=_logged)
        return Found(sound[-limit:], altered, is_cut=len(sound) > limit or len(table) > 2 * limit)

    def _count_by(self, searched: SearchedEvents, expression: str) -> list[tuple[str | None, int]]:
        files = self._files(searched)
        if not files:
            return []
        where = self._where(searched, files)
        rest = f"GROUP BY counted ORDER BY events DESC, counted LIMIT {MAX_GROUPS}"
        statement = select(f"{expression} AS counted, count(*) AS events", where=where.text, rest=rest)
        table = self._engine.table(statement, files, where.values)
        return list(zip(table.column("counted").to_pylist(), table.column("events").to_pylist(), strict=True))

    def _checkpoints_of(self, hits: list[Hit]) -> list[RawRecord]:
        producers = sorted({hit.columns["producer"] for hit in hits if hit.columns["producer"]})
        files = self._reader.live_files()
        if not producers or not files:
            return []
        statement = select(
            "producer, sequence, filename, file_row_number",
            where=f"kind = 'checkpoint' AND producer IN ({places(len(producers))})",
            rest=f"LIMIT {_MAX_CHECKPOINTS}",
        )
        table = self._engine.table(statement, files, producers)
        known: dict[str, list[tuple[int, int]]] = {}
        for number, (producer, size) in enumerate(_pairs(table, "producer", "sequence")):
            known.setdefault(producer, []).append((size, number))
        covering = {
            min(
                (each for each in known.get(hit.columns["producer"], ()) if each[0] > hit.columns["sequence"]),
                default=None,
            )
            for hit in hits
        }
        wanted = [number for end in covering if end is not None for number in (end[1],)]
        rows = self._rows_at(table.take(pa.array(wanted, pa.int64())), files)
        return [hit.record for hit in self._hits.hits(rows) if isinstance(hit.record, RawRecord)]

    def _rows_at(self, found: pa.Table, files: list[SealedFile]) -> pa.Table:
        """Return whole rows, of which the names of the file and the numbers in it are known."""
        by_file: dict[str, list[int]] = {}
        for name, row in _pairs(found, "filename", "file_row_number"):
            by_file.setdefault(stored_name(name), []).append(row)
        known = {file.name: file for file in files}
        tables = [
            self._engine.table(select(_FOUND, where="list_contains($2, file_row_number)"), [known[name]], [numbers])
            for name, numbers in by_file.items()
        ]
        return pa.concat_tables(tables) if tables else pa.table({})

    def _where(self, searched: SearchedEvents, files: list[SealedFile]) -> Where:
        return Where(searched, users=_Users(self._config, self._engine, searched, files))

    def _files(self, searched: SearchedEvents) -> list[SealedFile]:
        return self._reader.live_files(days=DayRange.of_times(searched.filter.since, searched.filter.until))

    def _again(self, query: Callable[[], T]) -> T:
        """Return the result of a query; where a file has been replaced meanwhile, of another one over the files of now."""
        for _ in range(_TRIES):
            try:
                return query()
            except ArchiveFileError:
                if not self._reader.refresh():
                    raise
        return query()


class _Users:
    """Finds users in the services whose events may be among those that are searched for."""

    def __init__(
        self, config: TelemetryConfig, engine: SearchEngine, searched: SearchedEvents, files: list[SealedFile]
    ) -> None:
        self._config = config
        self._engine = engine
        self._searched = searched
        self._files = files

    def of(self, users: Collection[str]) -> list[str]:
        return key_hashes_of(self._config, users, self._services())

    def _services(self) -> list[tuple[str, str]]:
        """Return environment and name of the services whose events may be among those that are searched for."""
        known = "service IS NOT NULL AND environment IS NOT NULL"
        rest = f"ORDER BY environment, service LIMIT {_MAX_SERVICES}"
        table = self._engine.table(select("DISTINCT environment, service", where=known, rest=rest), self._files)
        return [
            (environment, service)
            for environment, service in _pairs(table, "environment", "service")
            if (not self._searched.services or service in self._searched.services)
            and (not self._searched.environments or environment in self._searched.environments)
        ]


def _pairs(table: pa.Table, first: str, second: str) -> Iterator[tuple[Any, Any]]:
    return zip(table.column(first).to_pylist(), table.column(second).to_pylist(), strict=True)


def _logged(hit: Hit) -> tuple[int, str, int]:
    columns = hit.columns
    return columns["time"] or 0, columns["producer"] or "", columns["sequence"] or 0


def _once(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Leave out copies: records of the same place in a stream with the same bytes."""
    seen = set()
    for hit in hits:
        record = hit.record
        content = record.value if isinstance(record, RawRecord) else record.leaf
        name = hit.columns["producer"], hit.columns["sequence"], content
        if name not in seen:
            seen.add(name)
            yield hit

"""Writes the events of a search as JSON lines or CSV, a piece at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from io import BytesIO
from types import MappingProxyType
from typing import Any, BinaryIO

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.row import IndexedEvent, Row
from telemetry.explorer.index.search import Search
from telemetry.explorer.jobs.gathering import count_found, found_rows
from telemetry.format.value.message import context_of
from telemetry.reader.mappings import EVENT, Schema
from telemetry.reader.mappings.event import place_of
from telemetry.reader.mappings.writers import CsvWriter, JsonLinesWriter

logger = logging.getLogger("telemetry.explorer")

MAX_EVENTS = 100_000
"""Events of one export. The command has no such bound, and reads from the trail instead of from memory."""

PIECE_BYTES = 256 << 10
"""A piece is sent when it has so many bytes: each of many slow lines keeps one."""


class ExportFormat(StrEnum):
    """The form of the file."""

    JSON_LINES = "jsonl"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """Media type of the file."""
        return "text/csv; charset=utf-8; header=present" if self is ExportFormat.CSV else "application/x-ndjson"


_WRITERS: Mapping[ExportFormat, Callable[[BinaryIO, Schema], CsvWriter | JsonLinesWriter]] = MappingProxyType(
    {ExportFormat.JSON_LINES: JsonLinesWriter, ExportFormat.CSV: CsvWriter}
)


class EventExport:
    """Exactly the events that a search finds, in its order, with their content; of one that could not be opened, what is outside.

    Args:
        index: The events.
        search: The search.
        form: Form of the file.

    Attributes:
        events: How many events it has.

    Raises:
        ConfigurationError: There are too many, or it takes too long to look at all of them.
    """

    def __init__(self, index: EventIndex, search: Search, *, form: ExportFormat) -> None:
        self._index = index
        self._search = search
        self._form = form
        self.events = count_found(index, search, with_content=True)
        if self.events > MAX_EVENTS:
            reason = f"finds {self.events:,} events, and one export has at most {MAX_EVENTS:,}"
            raise ConfigurationError(Problem("search", reason, "narrow it, or use `telemetry export`"))

    def pieces(self) -> Iterator[bytes]:
        """Yield the file in pieces.

        Raises:
            ConfigurationError: It takes too long to look at all of them.
        """
        target, left_out = BytesIO(), 0
        writer = _WRITERS[self._form](target, EVENT)
        for rows in found_rows(self._index, self._search, with_content=True, most=self.events):
            for indexed in self._index.events(rows, with_content=True):
                left_out += not _write(writer, indexed)
                if target.tell() >= PIECE_BYTES:
                    yield _taken(target)
        writer.close()
        rest = _taken(target)
        if rest:
            yield rest
        if left_out:
            # One line: an attacker who may write to the topic decides how many there are.
            logger.warning(
                "%d events do not fit the columns of a CSV file and were left out; save JSON lines", left_out
            )


def _write(writer: CsvWriter | JsonLinesWriter, indexed: IndexedEvent) -> bool:
    """Write an event; return False if it does not fit, and nothing of it was written."""
    try:
        writer.write_record(_record_of(indexed))
    except ValueError:
        return False
    return True


def _record_of(indexed: IndexedEvent) -> dict[str, Any]:
    """Return the record of an event; of one that could not be opened, what is outside its seal."""
    row, event = indexed.row, indexed.event
    worth: dict[str, Any] = {"sealed": row.is_sealed, "proven": str(row.proven)}
    worth |= {"via": row.via} if row.via is not None else {}
    worth |= {"foreign": True} if row.is_foreign else {}
    return (_outside(row) if event is None else event.to_dict()) | worth | place_of(row.place)


def _outside(row: Row) -> dict[str, Any]:
    context = context_of(row.service)
    return {
        "id": row.event_id,
        "time": row.time,
        "event_type": row.event_type,
        "service_name": context["service"],
        "environment": context["environment"],
        "producer": row.producer,
        "sequence": row.sequence,
    }


def _taken(target: BytesIO) -> bytes:
    data = target.getvalue()
    target.seek(0)
    target.truncate()
    return data

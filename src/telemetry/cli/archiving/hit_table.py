"""Shows what a search of an archive has found: a table on a terminal, lines or JSON elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from telemetry.archive.searching.hits import SHOWN_COLUMNS, Hit
from telemetry.cli.output.console import escape_control, out, write_line
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader import Place, Proven

_DEFAULT = ("time", "proven", "service", "type", "outcome", "producer", "sequence", "id", "place")
_OTHER = ("place", "proven")
_MOMENTS = ("time", "kafka_time")
_STYLES = {
    "success": "green",
    "failure": "red",
    "denied": "bold red",
    str(Proven.YES): "green",
    str(Proven.NO): "bold red",
    str(Proven.PENDING): "yellow",
    "redacted": "yellow",
}
_COLUMN_STYLES = {"time": "dim", "type": "bold cyan", "id": "dim", "place": "dim", "producer": "dim"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class HitTable:
    """The columns that are shown of each event.

    Args:
        columns: Their names, separated by commas; None for those that a person looks for.

    Raises:
        ConfigurationError: There is no such column.
    """

    def __init__(self, columns: str | None) -> None:
        self._names = _names(columns) if columns is not None else _DEFAULT
        self._is_chosen = columns is not None

    def show(self, hits: Sequence[Hit], proven: Mapping[Place, Proven], *, json: bool) -> None:
        """Print the events to standard output.

        Args:
            hits: The events.
            proven: Whether a checkpoint proves each, by the place of its record.
            json: Whether to print a line of JSON for each.
        """
        records = [_record(hit, proven.get(hit.place, Proven.NOT_JUDGED)) for hit in hits]
        if json:
            for record in records:
                chosen = {name: record[name] for name in self._names if name in record} if self._is_chosen else record
                write_line(msgspec.json.encode(chosen).decode())
            return
        names = [name for name in self._names if self._is_chosen or any(name in record for record in records)]
        rows = [[_cell(name, record.get(name)) for name in names] for record in records]
        if out.is_terminal and rows:
            table = Table(*names, box=None, pad_edge=False)
            for row in rows:
                table.add_row(*row)
            out.print(table)
            return
        for row in rows:
            out.print(Text("  ").join(row))


def show_counts(counts: Sequence[tuple[str | None, int]], *, column: str, json: bool) -> None:
    """Print how many events there are for each value of a column."""
    if json:
        for value, count in counts:
            write_line(msgspec.json.encode({column: value, "events": count}).decode())
        return
    width = max((len(f"{count:,}") for _, count in counts), default=0)
    for value, count in counts:
        name = "-" if value is None else escape_control(value)
        out.print(Text(f"{count:>{width},}  ").append(name, _STYLES.get(name, "bold cyan")))


def _names(columns: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in columns.split(",") if name.strip()))
    unknown = [name for name in names if name not in SHOWN_COLUMNS and name not in _OTHER]
    if unknown or not names:
        remedy = f"use {', '.join((*SHOWN_COLUMNS, *_OTHER))}"
        raise ConfigurationError(Problem("--columns", f"there is no column {ascii(','.join(unknown))[:64]}", remedy))
    return names


def _record(hit: Hit, proven: Proven) -> dict[str, Any]:
    """Return what is known of an event, by name; what is not known is left out."""
    record = {name: _shown(name, hit.columns[name]) for name in SHOWN_COLUMNS if hit.columns[name] is not None}
    record["place"] = str(hit.place)
    if hit.is_redacted:
        record["redacted"] = True
    if hit.is_redacted or proven is not Proven.NOT_JUDGED:
        record["proven"] = "redacted" if hit.is_redacted and proven is Proven.NOT_JUDGED else str(proven)
    return record


def _shown(name: str, value: Any) -> Any:
    try:
        if name in _MOMENTS:
            moment = _EPOCH + timedelta(microseconds=value)
            return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return (date(1970, 1, 1) + timedelta(days=value)).isoformat() if name == "day" else value
    except (OverflowError, ValueError):
        return str(value)


def _cell(name: str, value: Any) -> Text:
    if value is None:
        return Text("-", "dim")
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if name in _MOMENTS:
        text = text[:23].replace("T", " ")
    return Text(escape_control(text), _STYLES.get(text, _COLUMN_STYLES.get(name, "")))

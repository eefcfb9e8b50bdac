"""Shows the events that a search has found: sealed ones by their columns, opened ones as ``tail`` does."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from telemetry.archive.searching.hits import Hit
from telemetry.cli.archiving.hit_table import HitTable
from telemetry.cli.output.column_line import ColumnLine
from telemetry.cli.output.console import out, write_line
from telemetry.cli.output.counter import EntryCounter
from telemetry.cli.output.event_line import event_line
from telemetry.reader import OpenedEvent, SealedEntry
from telemetry.reader.entry import RedactedEvent
from telemetry.reader.mappings import event_record
from telemetry.trail.trail import Trail


class HitDisplay:
    """How events are shown.

    Args:
        columns: What is shown of each, separated by commas; None for what a person looks for.
        opens: Whether the events were opened.
        json: Whether to print a line of JSON for each.
        with_sensitive: Whether to show payload and changes of sensitive events too.

    Raises:
        ConfigurationError: There is no such column.
    """

    def __init__(self, columns: str | None, *, opens: bool, json: bool, with_sensitive: bool) -> None:
        self._table = None if opens else HitTable(columns)
        self._form = ColumnLine(columns) if opens and columns is not None else None
        self._is_json = json
        self._with_sensitive = with_sensitive

    def show(self, trail: Trail, hits: Sequence[Hit], counter: EntryCounter) -> None:
        """Print the events to standard output.

        Args:
            trail: The records of the events, in their order.
            hits: What the archive says of them.
            counter: Counts opened events, and reports what cannot be opened.
        """
        if self._table is None:
            for entry in trail:
                opened = counter.event(entry)
                if opened is not None:
                    self._show_opened(opened)
            return
        judged = [entry for entry in trail if isinstance(entry, (SealedEntry, OpenedEvent, RedactedEvent))]
        self._table.show(hits, {entry.place: entry.proven for entry in judged}, json=self._is_json)

    def _show_opened(self, opened: OpenedEvent) -> None:
        if self._is_json:
            record = event_record(opened) if self._form is None else self._form.record(opened)
            write_line(msgspec.json.encode(record).decode())
        elif self._form is not None:
            out.print(self._form.line(opened, with_sensitive=self._with_sensitive))
        else:
            out.print(event_line(opened, with_sensitive=self._with_sensitive))

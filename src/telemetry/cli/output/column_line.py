"""Renders chosen columns of an opened event as a line for people."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.text import Text

from telemetry.cli.output.columns import with_columns
from telemetry.cli.output.console import escape_control
from telemetry.cli.output.event_line import HIDDEN, warnings
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import SCHEMAS
from telemetry.reader.mappings.event import event_record

_CONTENT = frozenset(("payload", "changes"))


class ColumnLine:
    """Shows some members of each event, in their order; what an event lacks is a hyphen.

    Args:
        columns: Paths into the event, separated by commas.

    Raises:
        ConfigurationError: A path cannot be read, is there twice, or there are too many.
    """

    def __init__(self, columns: str) -> None:
        self._schema = with_columns(SCHEMAS["event"], columns)
        self._public = with_columns(SCHEMAS["event"]._replace(record=_record_without_content), columns)

    def record(self, opened: OpenedEvent) -> dict[str, Any]:
        """Return the members that the event has, by their paths."""
        return self._schema.record(opened)

    def line(self, opened: OpenedEvent, *, with_sensitive: bool = False) -> Text:
        """Return the line; control characters are escaped, and a record that may be forged is marked in front.

        Args:
            opened: The event.
            with_sensitive: Whether to show payload and changes of an event that is marked as sensitive.
        """
        found = self._schema.record(opened)
        shown = found if with_sensitive or not opened.event.sensitive else self._public.record(opened)
        cells = [
            HIDDEN if name in found and name not in shown else _cell(shown.get(name))
            for name in (column.name for column in self._schema.columns)
        ]
        return Text("  ").join([*warnings(opened), *(Text(escape_control(cell)) for cell in cells)])


def _record_without_content(opened: OpenedEvent) -> dict[str, Any]:
    return {name: value for name, value in event_record(opened).items() if name not in _CONTENT}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

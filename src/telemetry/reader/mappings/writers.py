"""Writes events as JSON lines or CSV, one at a time, for the command and for the explorer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, BinaryIO, Protocol

import msgspec

from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings import Schema, row_of

_FORMULA = re.compile(
    r"[\t\r\n']|[\s\x00-\x20\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
)
"""How a text begins that a spreadsheet runs, also in full-width or small characters and after what it trims or hides."""

EXCEL_CELL = 32_767
"""Characters of a cell in Excel, counted as UTF-16 (Microsoft: Excel specifications and limits)."""


class EventWriter(Protocol):
    """Writes events of one schema to a stream of bytes, in bounded memory."""

    def write(self, opened: OpenedEvent) -> None:
        """Write an event.

        Raises:
            ValueError: It does not fit the schema; nothing of it was written.
        """

    def close(self) -> None:
        """Write everything that is still buffered, and the end of the format; the stream stays open."""

    def discard(self) -> None:
        """Write nothing more, not even the end of the format."""

    def remarks(self) -> Iterable[str]:
        """Return what a person should know about what was written, in sentences."""


class JsonLinesWriter:
    """One JSON object a line (RFC 8259, UTF-8, LF).

    Args:
        target: The stream to write to.
        schema: Schema of the objects.
    """

    def __init__(self, target: BinaryIO, schema: Schema) -> None:
        self._target = target
        self._record = schema.record
        self._encode = msgspec.json.Encoder().encode

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`EventWriter`."""
        self.write_record(self._record(opened))

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write a record of the schema, of an event or of what is known of one that stays sealed."""
        self._target.write(self._encode(record) + b"\n")

    def close(self) -> None:
        """Do nothing: a line is complete."""

    def discard(self) -> None:
        """Do nothing: nothing is buffered."""

    def remarks(self) -> Iterable[str]:
        """Return nothing: a line may be of any length."""
        return ()


class CsvWriter:
    """RFC 4180 with a heading, UTF-8; a nested value is JSON text in its cell.

    A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end as a formula, some also one
    with their full-width forms or with spaces before them, and an attacker can cause events with such fields. Such a
    text gets an apostrophe in front, and so does one that begins with an apostrophe, so that removing one restores the
    text. Every text is quoted: a spreadsheet that separates
    cells by semicolons finds none inside a text.

    Args:
        target: The stream to write to.
        schema: Schema of the rows.
    """

    def __init__(self, target: BinaryIO, schema: Schema) -> None:
        self._target = target
        self._schema = schema
        # The csv module writes text: one buffer of a row, emptied into the stream of bytes each time.
        self._text = io.StringIO(newline="")
        self._rows = csv.writer(self._text, quoting=csv.QUOTE_NONNUMERIC)
        self._long_cells = 0
        self._put([_csv_cell(column.name) for column in schema.columns])

    def write(self, opened: OpenedEvent) -> None:
        """Write an event; see :class:`EventWriter`."""
        self.write_record(self._schema.record(opened))

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write a record of the schema, of an event or of what is known of one that stays sealed.

        Raises:
            ValueError: It does not fit the schema; nothing of it was written.
        """
        cells = [_csv_cell(cell) for cell in row_of(record, self._schema.columns)]
        self._put(cells)
        self._long_cells += sum(isinstance(cell, str) and _is_too_long_for_excel(cell) for cell in cells)

    def close(self) -> None:
        """Do nothing: a row is complete."""

    def discard(self) -> None:
        """Do nothing: nothing is buffered."""

    def remarks(self) -> Iterable[str]:
        """Say how many cells Excel would cut."""
        if self._long_cells:
            yield (
                f"{self._long_cells} cells have more than {EXCEL_CELL:,} characters, of which Excel would drop the rest. "
                "The file has them whole; choose --columns, or read it with another program."
            )

    def _put(self, cells: list[Any]) -> None:
        self._rows.writerow(cells)
        self._target.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


def _is_too_long_for_excel(text: str) -> bool:
    # A character has at most two units of UTF-16, so that short texts need no count.
    return len(text) > EXCEL_CELL // 2 and len(text.encode("utf-16-le", "surrogatepass")) // 2 > EXCEL_CELL


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, str):
        return f"'{cell}" if _FORMULA.match(cell) else cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell.isoformat().replace("+00:00", "Z") if isinstance(cell, datetime) else cell

"""Turns records of nested values into rows of typed columns; nested values become JSON text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from telemetry.reader.entry import OpenedEvent

Kind = Literal["text", "integer", "boolean", "time", "json", "any"]

_INTEGER_LIMIT = 1 << 63  # a column of Parquet has 64 bits; JSON and Python have no limit

_encode = msgspec.json.Encoder().encode


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        name: Name of the column, and of the record's member that fills it.
        kind: Type of the cells. ``json`` is any value as JSON text; ``time`` is RFC 3339 in the record; ``any`` is a text or
            a number, and everything else as JSON text.
    """

    name: str
    kind: Kind = "text"


WORTH = (Column("sealed", "boolean"), Column("proven"), Column("foreign", "boolean"))
"""Columns of what :func:`worth` says."""


class EventMapping(Protocol):
    """Converts an opened event to a record, a JSON object."""

    def __call__(self, opened: OpenedEvent, /) -> dict[str, Any]:
        """Return the record."""


class Schema(NamedTuple):
    """A form in which events are exported.

    Attributes:
        name: Name that the command uses.
        version: Version of the published schema.
        columns: Columns of the table.
        record: Converts an opened event to a record.
    """

    name: str
    version: str
    columns: Sequence[Column]
    record: EventMapping


def row_of(record: Mapping[str, Any], columns: Sequence[Column]) -> list[Any]:
    """Return the cells of a record: a text, an integer of 64 bits, a boolean, an aware ``datetime``, or None.

    Raises:
        ValueError: A value does not fit its column; this library logs no such event.
    """
    return [_cell(record.get(column.name), column.kind) for column in columns]


def _cell(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "json" or (kind == "any" and not _is_plain(value)):
        return _encode(value).decode()
    if kind == "time":
        return parse_time(value)
    if kind == "integer" and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        message = "an integer has more than 64 bits"
        raise ValueError(message)
    return value


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def parse_time(text: str) -> datetime:
    """Return an event's time.

    Raises:
        ValueError: It is not RFC 3339, or has no offset from UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = "a time without an offset from UTC"
        raise ValueError(message)
    return moment


def present(**members: Any) -> dict[str, Any]:
    """Return the members that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def worth(opened: OpenedEvent) -> dict[str, Any]:
    """Return what a record is worth: whether it was sealed, whether it is proven, and, if so, that it is foreign.

    A record that a gateway logged for its service also has ``via``, the gateway's source.
    """
    members: dict[str, Any] = {"sealed": opened.sealed, "proven": str(opened.proven)}
    if opened.via is not None:
        members["via"] = opened.via
    return members | {"foreign": True} if opened.is_foreign else members

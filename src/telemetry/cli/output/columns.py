"""Chooses the columns of a table: each is a path into the record, such as ``payload.client.ip``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.ingest.paths import ValuePath, compile_path
from telemetry.reader import OpenedEvent
from telemetry.reader.mappings import Column, Schema

MAX_COLUMNS = 1_000
"""Columns of a table, so that a mistake does not fill the memory."""

_OPTION = "--columns"


def with_columns(schema: Schema, text: str) -> Schema:
    """Return the schema with other columns.

    A column that the schema has keeps its type; any other has texts, numbers, and everything else as JSON text.

    Args:
        schema: The schema.
        text: Paths into its records, separated by commas; commas inside quotes belong to a name.

    Raises:
        ConfigurationError: A path cannot be read, is there twice, or there are too many.
    """
    names = _split(text)
    if len(names) > MAX_COLUMNS or len(set(names)) != len(names):
        reason = f"has more than {MAX_COLUMNS} columns, or one of them twice"
        raise ConfigurationError(Problem(_OPTION, reason, "name each column once"))
    known = {column.name: column for column in schema.columns}
    paths = {name: compile_path(name, option=_OPTION) for name in names}
    columns = tuple(known.get(name, Column(name, "any")) for name in names)
    return schema._replace(columns=columns, record=_Chosen(schema, paths))


class _Chosen:
    """A mapping whose records have the chosen members alone."""

    def __init__(self, schema: Schema, paths: dict[str, ValuePath]) -> None:
        self._record = schema.record
        self._paths = paths

    def __call__(self, opened: OpenedEvent, /) -> dict[str, Any]:
        record = self._record(opened)
        found = {name: path.find(record) for name, path in self._paths.items()}
        return {name: value for name, value in found.items() if value is not None}


def _split(text: str) -> Sequence[str]:
    names, start, is_quoted = [], 0, False
    for position, character in enumerate(text):
        if character == '"':
            is_quoted = not is_quoted
        elif character == "," and not is_quoted:
            names.append(text[start:position].strip())
            start = position + 1
    return [*names, text[start:].strip()]

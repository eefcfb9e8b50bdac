"""Reads the TOML file of a configuration, and finds the line of each field."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from telemetry.config.loading.short_variables import FieldPath
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.system.file_trust import FileFault, read_believed

_MAX_FILE_BYTES = 1 << 20
_MAX_STATEMENT_LINES = 200


class StatedFile:
    """A TOML file that nobody else could have written; its ``repr`` shows no value.

    Args:
        path: The file; None for no file, which states nothing.

    Attributes:
        path: The file.
        values: Its fields, nested.

    Raises:
        ConfigurationError: It is absent, cannot be read, or another user could have written it.
        ValueError: It is not TOML.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._text = "" if path is None else _believed(path).decode("utf-8").replace("\r\n", "\n")
        self.values: dict[str, Any] = tomllib.loads(self._text)

    @cached_property
    def lines(self) -> dict[FieldPath, int]:
        """Line of each field, from 1; a list of tables has that of its first field."""
        found: dict[FieldPath, int] = {}
        for line, values in _statements(self._text):
            for path in _leaves(values):
                found.setdefault(path, line)
        return found


def _believed(path: Path) -> bytes:
    if not path.is_file():
        raise ConfigurationError(Problem(str(path), "is not a file", "give the path of a TOML file"))
    if not os.access(path, os.R_OK):
        raise ConfigurationError(Problem(str(path), "cannot be read", "check its owner and mode"))
    # Anyone who writes into it decides where the events go, and under which key.
    data = read_believed(path, max_bytes=_MAX_FILE_BYTES)
    if isinstance(data, FileFault):
        raise ConfigurationError(Problem(str(path), f"is not believed: {data}", data.remedy))
    return data


def _statements(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the first line of each statement, and its values: parsed alone, below the header that it belongs to."""
    header, statement, first = "", "", 1
    # TOML ends a line with LF (or CRLF) alone: splitlines() would also split inside a string.
    for number, line in enumerate(text.split("\n"), 1):
        if not statement and line.lstrip().startswith("["):
            header = line
            continue
        first, statement = (first, f"{statement}\n{line}") if statement else (number, line)
        try:
            yield first, tomllib.loads(f"{header}\n{statement}")
        except tomllib.TOMLDecodeError:
            # It goes on in the next line: a list, or a string of several lines.
            if number - first < _MAX_STATEMENT_LINES:
                continue
        statement = ""


def _leaves(values: Mapping[str, Any], above: FieldPath = ()) -> Iterator[FieldPath]:
    for name, value in values.items():
        path = (*above, name)
        if isinstance(value, Mapping):
            yield from _leaves(value, path)
        else:
            yield path

"""Chooses the class that writes a format of ``telemetry export``."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from telemetry.reader.mappings import Schema
from telemetry.reader.mappings.writers import CsvWriter, EventWriter, JsonLinesWriter


def writer_of(name: str) -> Callable[[BinaryIO, Schema], EventWriter]:
    """Return the class that writes a format.

    Raises:
        MissingExtraError: Its extra is not installed.
    """
    if name == "parquet":
        from telemetry.cli.output.parquet.table import ParquetEventWriter  # noqa: PLC0415 - its library is optional and large

        return ParquetEventWriter
    return JsonLinesWriter if name == "jsonl" else CsvWriter

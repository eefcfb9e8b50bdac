"""Gives an attacker every byte of an archive, with all that is compressed in it in the clear as well."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from telemetry.reader import RawRecord
from telemetry.reader.entry import Place


def everything_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file, and beside them the columns of Parquet and the blocks of Avro."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, data in list(found.items()):
        if name.endswith(".parquet"):
            table = pq.read_table(io.BytesIO(data))
            found |= {f"{name}:{column}": b"\n".join(_cells(table.column(column))) for column in table.column_names}
        elif name.endswith(".avro"):
            found[f"{name}:blocks"] = b"\n".join(_blocks(data))
    return found


def records_in(files: Mapping[str, bytes]) -> list[RawRecord]:
    """Return the values of all rows, live or replaced, as records to open."""
    tables = [pq.read_table(io.BytesIO(data)) for name, data in files.items() if name.endswith(".parquet")]
    values = [value for table in tables for value in table.column("value").to_pylist() if value is not None]
    return [RawRecord(None, value, Place("archive", 0, number)) for number, value in enumerate(values)]


def _cells(column: Any) -> Iterator[bytes]:
    for cell in column.to_pylist():
        if cell is not None:
            yield cell if isinstance(cell, bytes) else str(cell).encode()


def _blocks(data: bytes) -> Iterator[bytes]:
    marker = data[-16:]
    for block in data.split(marker)[1:-1]:
        rest = block
        for _ in range(2):  # the number of objects, and of bytes
            rest = rest[next(at for at, byte in enumerate(rest) if byte < 0x80) + 1 :]
        try:
            yield zlib.decompress(rest, -zlib.MAX_WBITS)
        except zlib.error:
            yield rest

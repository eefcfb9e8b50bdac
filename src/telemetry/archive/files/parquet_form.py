"""Defines the form of a data file: how it is written, and what a file must be to be read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.archive.rows.columns import DAY_MICROSECONDS, PERSONAL_COLUMNS, SCHEMA, SORT_COLUMNS, WIDE_COLUMNS
from telemetry.exceptions import ArchiveFileError

pc: Any = import_module("pyarrow.compute")  # makes its functions when it is imported, unseen by type checkers

GROUP_ROWS = 20_000
"""Rows of a row group: what a reader that wants one user's rows or one producer's reads at least."""
GROUP_BYTES = 64 << 20
"""Bytes of a row group's rows in memory, unless it is one row."""
MAX_FOOTER_BYTES = 16 << 20
MAX_FILE_ROWS = 50_000_000
MAX_GROUPS = 20_000
MAX_GROUP_BYTES = 1 << 30
"""Of a row group that is read, uncompressed, as the footer has it."""

_DAYS = (-719_162, 2_932_896)
"""The years 1 to 9999 in days since the epoch."""
_MOMENTS = (_DAYS[0] * DAY_MICROSECONDS, (_DAYS[1] + 1) * DAY_MICROSECONDS - 1)
_LEVEL = 1
_BLOOM_COLUMNS = ("keyhash", "id")
_FALSE_POSITIVES = 0.01
_NO_DICTIONARY = ("value", "leaf", "id", "sequence", "offset", "time", "kafka_time", "line", "until")
_NO_STATISTICS = frozenset((*WIDE_COLUMNS, *PERSONAL_COLUMNS, "error", "kid", "keyid", "redacted"))
"""Nobody looks for a range of them, and a row group's smallest and largest user id would be in its footer."""

_THRIFT_TEXT = 1 << 20
_THRIFT_LIST = 1 << 20


def writer_of(sink: Any, *, rows: int) -> pq.ParquetWriter:
    """Return a writer of a data file.

    Args:
        sink: Receives the bytes.
        rows: Rows that the largest row group will have, at most ``GROUP_ROWS``.
    """
    names = [field.name for field in SCHEMA if not pa.types.is_nested(field.type)]
    order = [pq.SortingColumn(SCHEMA.get_field_index(name), nulls_first=True) for name in SORT_COLUMNS]
    bloom = {"ndv": max(1, min(rows, GROUP_ROWS)), "fpp": _FALSE_POSITIVES}
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": _LEVEL,
        "use_dictionary": [name for name in names if name not in _NO_DICTIONARY],
        "write_statistics": [name for name in names if name not in _NO_STATISTICS],
        "sorting_columns": order,
        "bloom_filter_options": dict.fromkeys(_BLOOM_COLUMNS, bloom),
    }
    return pq.ParquetWriter(sink, SCHEMA, **options)


def open_parquet(source: Any, *, name: str) -> pq.ParquetFile:
    """Open a data file, and check its footer: columns, types, and how much is to be read.

    Args:
        source: What its bytes are read from.
        name: Its name, for errors.

    Raises:
        ArchiveFileError: It is no Parquet file, or not one that an archive has.
    """
    limits: dict[str, Any] = {"thrift_string_size_limit": _THRIFT_TEXT, "thrift_container_size_limit": _THRIFT_LIST}
    footer = guarded(lambda: pq.ParquetFile(source, arrow_extensions_enabled=False, **limits), name=name)
    require_form(footer.schema_arrow, footer.metadata, name=name)
    folded = guarded(lambda: _folded_columns(footer.metadata), name=name)
    opened: pq.ParquetFile = guarded(
        lambda: pq.ParquetFile(
            source,
            metadata=footer.metadata,
            read_dictionary=folded,
            pre_buffer=True,
            arrow_extensions_enabled=False,
            **limits,
        ),
        name=name,
    )
    return opened


def require_sound(table: pa.Table, *, name: str) -> pa.Table:
    """Return a table that was read, once it is known that every value in it can be used.

    1. Texts are UTF-8, and indices point into their dictionaries.
    2. Its columns are bounded when dictionaries are unfolded: a few bytes can repeat a large value.
    3. Days and times are those of a calendar.

    Raises:
        ArchiveFileError: It is not so.
    """
    guarded(lambda: table.validate(full=True), name=name)
    for column in table.column_names:
        for chunk in table.column(column).chunks:
            if pa.types.is_dictionary(chunk.type) and _unfolded_bytes(chunk) > MAX_GROUP_BYTES:
                raise refused(name, f"its column {column!r} has more than {MAX_GROUP_BYTES} bytes in one row group")
            if not guarded(partial(_is_in_calendar, chunk), name=name):
                raise refused(name, f"its column {column!r} has a time that no calendar has")
    return table


def require_form(schema: pa.Schema, metadata: pq.FileMetaData, *, name: str) -> None:
    """Check the footer of a data file.

    A file that another engine wrote into the same table may have its columns in another order, or lack some.

    Raises:
        ArchiveFileError: It is not that of a file of an archive.
    """
    for field in schema:
        known = SCHEMA.field(field.name) if field.name in SCHEMA.names else None
        if known is None or not _is_same_type(field.type, known.type):
            raise refused(name, f"its column {field.name[:64]!r} is not one of an archive, or has another type")
    if len(set(schema.names)) != len(schema.names):
        raise refused(name, "it has a column twice")
    if metadata.num_rows > MAX_FILE_ROWS or metadata.num_row_groups > MAX_GROUPS:
        raise refused(name, f"it has more than {MAX_FILE_ROWS} rows or {MAX_GROUPS} row groups")
    rows = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows += group.num_rows
        if group.num_rows < 0 or not 0 <= group.total_byte_size <= MAX_GROUP_BYTES:
            raise refused(name, f"its row group {number} is larger than {MAX_GROUP_BYTES} bytes")
    if rows != metadata.num_rows:
        raise refused(name, "its footer contradicts itself about the number of rows")


def _is_in_calendar(chunk: pa.Array) -> bool:
    """Return whether all days and times of a column are those of a calendar; code that shows others would fail."""
    if pa.types.is_struct(chunk.type):
        return all(_is_in_calendar(part) for part in chunk.flatten())
    if not pa.types.is_temporal(chunk.type) or chunk.null_count == len(chunk):
        return True
    unit = pa.int32() if pa.types.is_date32(chunk.type) else pa.int64()
    bounds = _DAYS if pa.types.is_date32(chunk.type) else _MOMENTS
    found = pc.min_max(chunk.cast(unit)).as_py()
    return bool(bounds[0] <= found["min"] and found["max"] <= bounds[1])


def _folded_columns(metadata: pq.FileMetaData) -> list[str]:
    """Return the columns that are read as dictionaries, since their chunks have some."""
    return [
        name
        for number, name in enumerate(metadata.schema.names)
        if metadata.schema.column(number).physical_type == "BYTE_ARRAY"
        and "." not in metadata.schema.column(number).path
        and any(
            metadata.row_group(group).column(number).has_dictionary_page for group in range(metadata.num_row_groups)
        )
    ]


def _unfolded_bytes(chunk: pa.DictionaryArray) -> int:
    longest = pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0
    if longest * len(chunk) <= MAX_GROUP_BYTES:
        return int(longest * len(chunk))
    return pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0


def guarded(read: Callable[[], Any], *, name: str) -> Any:
    """Return what reading a file gives; what Arrow finds wrong with it becomes an ``ArchiveFileError``."""
    try:
        return read()
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError, TypeError, MemoryError, OverflowError) as exc:
        raise refused(name, f"it cannot be read as Parquet ({type(exc).__name__})") from None


def refused(name: str, reason: str) -> ArchiveFileError:
    """Return the error for a file that is not what it should be."""
    return ArchiveFileError(f"the data file {name!r} is refused: {reason}; compare it with its seal")


def _is_same_type(found: pa.DataType, known: pa.DataType) -> bool:
    """Return whether a column has the type that it should have, as far as engines write it alike."""
    if pa.types.is_struct(known):
        if not pa.types.is_struct(found) or found.num_fields != known.num_fields:
            return False
        pairs = zip(_fields(found), _fields(known), strict=True)
        return all(one.name == other.name and _is_same_type(one.type, other.type) for one, other in pairs)
    large = {pa.large_string(): pa.string(), pa.large_binary(): pa.binary()}
    return bool(large.get(found, found) == known)


def _fields(struct: pa.DataType) -> list[pa.Field]:
    return [struct.field(number) for number in range(struct.num_fields)]

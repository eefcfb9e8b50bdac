"""Puts rows of the archive into the order that their records had on the topic, on disk where they do not fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from telemetry.exceptions import ArchiveError, MissingExtraError

try:
    import duckdb
except ImportError as exc:
    feature = "an archive"
    raise MissingExtraError(feature, "archive") from exc

MEMORY = "1GB"
"""Memory for the rows; more of them are kept on disk, sealed as they are in the archive."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY,
    "threads": "1",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "true",
}
# The order of a partition is that of its offsets. Between partitions it is that of Kafka's times, as far as these rise.
# What waited in a fallback store is read before the topic, as it is when a topic is verified.
_IN_ORDER = """
    SELECT rows.* FROM rows JOIN (
        SELECT rowid AS number, max(coalesce(epoch_us(kafka_time), -9223372036854775807)) OVER (
            PARTITION BY topic, "partition" ORDER BY "offset", rowid ROWS UNBOUNDED PRECEDING
        ) AS moment FROM rows
    ) AS placed ON rows.rowid = placed.number
    ORDER BY topic IS NOT NULL, object, line, moment, topic, "partition", "offset", number
"""


@contextmanager
def _sorted_in(folder: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as exc:
        message = (
            f"rows that did not arrive in the order of their numbers could not be sorted in {folder}: {exc}; let TMPDIR name "
            "a folder with as much room as the rows of their producers need"
        )
        raise ArchiveError(message) from exc


def in_order_of_places(batches: Iterable[pa.RecordBatch], *, schema: pa.Schema, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows in the order of their places.

    Args:
        batches: The rows, in any order.
        schema: Their columns.
        rows: Most rows of a batch that is yielded.

    Raises:
        ArchiveError: There is no room for them.
    """
    with TemporaryDirectory(prefix="telemetry-verify-") as folder, _sorted_in(folder):
        path = Path(folder) / "rows.duckdb"
        with duckdb.connect(str(path), config={**_CONFIG, "temp_directory": str(Path(folder) / "spill")}) as connection:
            connection.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
            connection.execute("CREATE TABLE rows AS SELECT * FROM incoming")
            connection.unregister("incoming")
            ordered = connection.sql(_IN_ORDER)
            # DuckDB 1 has another name for it.
            name = "to_arrow_reader" if hasattr(ordered, "to_arrow_reader") else "fetch_arrow_reader"
            yield from getattr(ordered, name)(rows)

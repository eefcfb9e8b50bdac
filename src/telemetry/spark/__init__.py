"""Archives, verifies, opens and maps records in batches of Apache Arrow, as Spark's ``mapInArrow`` passes them (docs/spark.md).

Nothing here imports Spark: an iterator of ``pyarrow.RecordBatch`` goes in, and one comes out, so a process pool, Ray or
DuckDB can use the same functions. Each name is loaded on first use; the extra ``archive`` brings Apache Arrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from telemetry.system.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from telemetry.spark.archiving import ARCHIVE_SCHEMA, archive_rows
    from telemetry.spark.mapping import ocsf_rows, ocsf_schema
    from telemetry.spark.opening import OPENED_SCHEMA, open_rows
    from telemetry.spark.proving import RangeReport, judge_ranges, signed_checkpoints
    from telemetry.spark.ranges import RANGES_SCHEMA, verify_ranges
    from telemetry.spark.recording import record_read

__all__ = [
    "ARCHIVE_SCHEMA",
    "OPENED_SCHEMA",
    "RANGES_SCHEMA",
    "RangeReport",
    "archive_rows",
    "judge_ranges",
    "ocsf_rows",
    "ocsf_schema",
    "open_rows",
    "record_read",
    "signed_checkpoints",
    "verify_ranges",
]

_HOMES = {
    "ARCHIVE_SCHEMA": "telemetry.spark.archiving",
    "OPENED_SCHEMA": "telemetry.spark.opening",
    "RANGES_SCHEMA": "telemetry.spark.ranges",
    "RangeReport": "telemetry.spark.proving",
    "archive_rows": "telemetry.spark.archiving",
    "judge_ranges": "telemetry.spark.proving",
    "ocsf_rows": "telemetry.spark.mapping",
    "ocsf_schema": "telemetry.spark.mapping",
    "open_rows": "telemetry.spark.opening",
    "record_read": "telemetry.spark.recording",
    "signed_checkpoints": "telemetry.spark.proving",
    "verify_ranges": "telemetry.spark.ranges",
}

__getattr__ = lazy_exports(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

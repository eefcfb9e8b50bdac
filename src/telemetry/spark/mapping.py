"""Opens rows of the archive and maps one class of them to OCSF, with real structs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from telemetry.config import TelemetryConfig
from telemetry.reader.entry import OpenedEvent
from telemetry.reader.mappings import ocsf_by_rules
from telemetry.reader.mappings.arrow.library import pa
from telemetry.reader.mappings.arrow.ocsf_shape import OcsfShape
from telemetry.reader.mappings.ocsf import OcsfMapping
from telemetry.reader.mappings.rules import Rule, read_rules
from telemetry.spark.opening import entries_of

EVENT_DAY = "eventDay"
"""Column of the day, ``YYYYMMDD`` in UTC, by which Amazon Security Lake wants its files partitioned."""

_ROWS = 5_000
_MILLISECONDS = 1_000


def ocsf_schema(class_uid: int, *, rules: Sequence[Rule] | Path | str = ()) -> pa.Schema:
    """Return the columns of :func:`ocsf_rows`: those of the class that the library and the rules can fill, and ``eventDay``.

    Args:
        class_uid: Number of the class, such as 6003 for API Activity.
        rules: Rules that say which class and activity a type is, or their file.

    Raises:
        ConfigurationError: The rules cannot be used.
    """
    return _schema_of(_shape_of(class_uid, _mapping_of(rules)))


def ocsf_rows(
    batches: Iterable[pa.RecordBatch],
    *,
    config: TelemetryConfig | Path | str,
    class_uid: int,
    rules: Sequence[Rule] | Path | str = (),
) -> Iterator[pa.RecordBatch]:
    """Yield the events of one class as OCSF; events of other classes and damaged records are left out.

    Args:
        batches: Rows of the archive, all columns.
        config: The configuration, or its file, which every worker must have.
        class_uid: Number of the class; Security Lake has one class in a source.
        rules: Rules that say which class and activity a type is, or their file.

    Raises:
        ConfigurationError: Configuration or rules cannot be used.
    """
    mapping = _mapping_of(rules)
    shape = _shape_of(class_uid, mapping)
    schema, rows = _schema_of(shape), list[dict[str, Any]]()
    for entry in entries_of(batches, config=config):
        record = mapping(entry) if isinstance(entry, OpenedEvent) else None
        if record is None or record["class_uid"] != class_uid:
            continue
        row, _ = shape.row(record)
        rows.append({**row, EVENT_DAY: _day_of(record["time"])})
        if len(rows) >= _ROWS:
            yield pa.RecordBatch.from_pylist(rows, schema=schema)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=schema)


def _mapping_of(rules: Sequence[Rule] | Path | str) -> OcsfMapping:
    found = read_rules(Path(rules)) if isinstance(rules, str | Path) else rules
    return OcsfMapping(found)


def _shape_of(class_uid: int, mapping: OcsfMapping) -> OcsfShape:
    return OcsfShape(ocsf_by_rules(mapping.rules), mapping, [class_uid])


def _schema_of(shape: OcsfShape) -> pa.Schema:
    return shape.arrow.remove_metadata().append(pa.field(EVENT_DAY, pa.string()))


def _day_of(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / _MILLISECONDS, UTC).strftime("%Y%m%d")

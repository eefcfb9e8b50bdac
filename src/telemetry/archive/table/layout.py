"""Defines the Iceberg table of an archive: its schema, partition, order and properties."""

from __future__ import annotations

import uuid

from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.metadata import TableMetadataV2
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import IdentityTransform

from telemetry.archive.rows.columns import SCHEMA, SORT_COLUMNS

NAMESPACE = "audit"
TABLE = (NAMESPACE, "events")
TABLE_FOLDER = "events"
FORMAT_VERSION = 2
RETRIES = "commit.retry.num-retries"

_MEASURED = (
    *("day", "service", "environment", "kind", "producer", "sequence", "time", "id", "type"),
    *("topic", "partition", "offset", "kafka_time"),
)
"""Columns whose smallest and largest values are in the manifests, which outlive a redaction: none that names a user."""

REQUIRED = {
    # A commit that lost is not tried again on top of the winner: the offsets in the seal are what may follow.
    RETRIES: "0",
    # Only clean-up of the archive itself deletes data files, after it has looked at seals and holds.
    "gc.enabled": "false",
    "write.metadata.metrics.default": "none",
    **{f"write.metadata.metrics.column.{name}": "full" for name in _MEASURED},
}
"""Properties without which writers do harm; checked whenever the table is opened."""

_PROPERTIES = {
    **REQUIRED,
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "1",
    "write.parquet.bloom-filter-enabled.column.keyhash": "true",
    "write.parquet.bloom-filter-enabled.column.id": "true",
    "write.target-file-size-bytes": str(128 << 20),
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "commit.manifest-merge.enabled": "true",
}
_DAY_FIELD = 1_000


def table_schema() -> Schema:
    """Return the Iceberg schema; its field ids are those in the Parquet files."""
    return pyarrow_to_schema(SCHEMA)


def new_metadata(location: str) -> TableMetadataV2:
    """Return the metadata of an empty table.

    PyIceberg's own way to create a table gives the columns other field ids than the files have.

    Args:
        location: URI of the table's folder.
    """
    schema = table_schema()
    day = schema.find_field("day").field_id
    spec = PartitionSpec(PartitionField(source_id=day, field_id=_DAY_FIELD, transform=IdentityTransform(), name="day"))
    order = SortOrder(
        *(
            SortField(
                source_id=schema.find_field(name).field_id,
                transform=IdentityTransform(),
                direction=SortDirection.ASC,
                null_order=NullOrder.NULLS_FIRST,
            )
            for name in SORT_COLUMNS
        )
    )
    return TableMetadataV2.model_validate(
        {
            "format-version": FORMAT_VERSION,
            "location": location,
            "table-uuid": uuid.uuid4(),
            "schemas": [schema],
            "current-schema-id": schema.schema_id,
            "last-column-id": schema.highest_field_id,
            "partition-specs": [spec],
            "default-spec-id": spec.spec_id,
            "last-partition-id": _DAY_FIELD,
            "sort-orders": [order],
            "default-sort-order-id": order.order_id,
            "properties": dict(_PROPERTIES),
        }
    )

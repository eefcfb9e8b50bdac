"""A table has the columns that were asked for, and no others."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from telemetry.cli.output.columns import MAX_COLUMNS, with_columns
from telemetry.cli.output.parquet.table import ParquetEventWriter
from telemetry.exceptions import ConfigurationError
from telemetry.format.value.members import Target
from telemetry.reader.mappings import SCHEMAS
from telemetry.reader.mappings.writers import CsvWriter, JsonLinesWriter
from tests.support.some_events import opened

PAYLOAD: dict[str, Any] = {
    "client": {"ip": "10.0.0.9"},
    "total": -5,
    "paid": True,
    "lines": [{"sku": "=1+1"}],
    "a.b": 7,
}


def _written(kind: Any, columns: str, **fields: Any) -> bytes:
    target = io.BytesIO()
    writer = kind(target, with_columns(SCHEMAS["event"], columns))
    writer.write(opened(payload=PAYLOAD, **fields))
    writer.close()
    return target.getvalue()


def test_paths_become_columns() -> None:
    columns = 'time,user_id,payload.client.ip,payload.total,payload.paid,payload.lines.0.sku,payload.client,payload."a.b",none'
    heading, row = csv.reader(io.StringIO(_written(CsvWriter, columns).decode(), newline=""))

    assert heading == columns.split(",")
    assert row == [
        "2026-01-31T12:00:00.123456Z",
        "user-1",
        "10.0.0.9",
        "-5",
        "true",
        "'=1+1",
        '{"ip":"10.0.0.9"}',
        "7",
        "",
    ]


def test_targets_are_a_list() -> None:
    content = _written(JsonLinesWriter, "targets.1.entity_id, id", targets=(Target("a", "1"), Target("b", "2")))

    assert json.loads(content) == {"targets.1.entity_id": "2", "id": "0198c0de-1111-7222-8333-444455556666"}


def test_parquet_keeps_the_type_of_a_known_column() -> None:
    table = pq.read_table(io.BytesIO(_written(ParquetEventWriter, "sequence,payload.total,payload.client.ip")))

    assert [str(field.type) for field in table.schema] == ["int64", "string", "string"]
    assert table.to_pylist() == [{"sequence": 7, "payload.total": "-5", "payload.client.ip": "10.0.0.9"}]


def test_name_of_a_column_is_no_formula() -> None:
    assert _written(CsvWriter, "=cmd").startswith(b'"\'=cmd"')


@pytest.mark.parametrize(
    "columns", ["", "a,,b", "a,a", "a..b", ",".join(f"a{number}" for number in range(MAX_COLUMNS + 1)), 'a."b']
)
def test_columns_that_cannot_be_read(columns: str) -> None:
    with pytest.raises(ConfigurationError, match="--columns"):
        with_columns(SCHEMAS["event"], columns)

"""OCSF in Parquet has structs, and the same columns whatever the events are."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from telemetry.cli.output.parquet.structs import OcsfParquetWriter
from telemetry.reader.mappings import OCSF, to_ocsf
from telemetry.reader.mappings.ocsf import OcsfMapping
from tests.support.some_events import VARIETY, opened


def _written(events: Iterable[dict[str, Any]]) -> bytes:
    assert isinstance(OCSF.record, OcsfMapping)
    target = io.BytesIO()
    writer = OcsfParquetWriter(target, OCSF, OCSF.record)
    for fields in events:
        writer.write(opened(**fields))
    writer.close()
    return target.getvalue()


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _present(each) for name, each in value.items() if each is not None}
    return [_present(each) for each in value] if isinstance(value, list) else value


def test_records_return_as_they_were() -> None:
    rows = pq.read_table(io.BytesIO(_written(VARIETY))).to_pylist()

    for fields, row in zip(VARIETY, rows, strict=True):
        record = json.loads(json.dumps(to_ocsf(opened(**fields))))
        unmapped = dict(row.pop("unmapped"))
        for name, value in record.pop("unmapped").items():
            assert unmapped[name] == (value if isinstance(value, str) else unmapped[name])
            assert isinstance(value, str) or json.loads(unmapped[name]) == value
        assert _present(row) == record


def test_columns_are_structs_and_numbers() -> None:
    schema = pq.read_schema(io.BytesIO(_written([{}])))

    assert schema.field("time").type == schema.field("type_uid").type == pa.int64()
    assert schema.field("actor").type.field("user").type.field("uid").type == pa.string()
    assert schema.field("resources").type.value_type.field("type").type == pa.string()
    assert schema.field("unmapped").type == pa.map_(pa.string(), pa.string())


def test_columns_do_not_depend_on_the_events() -> None:
    assert pq.read_schema(io.BytesIO(_written([]))) == pq.read_schema(io.BytesIO(_written(VARIETY)))


def test_same_events_are_the_same_bytes() -> None:
    assert _written(VARIETY) == _written(VARIETY)

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from telemetry.archive.rows.columns import COLUMNS, NARROW_COLUMNS, PERSONAL_COLUMNS, SCHEMA, WIDE_COLUMNS, row
from telemetry.archive.rows.tables import days_of, sorted_table, table_of

ORDERED = [
    row(day=1, kind="damaged", value=b""),
    row(day=1, kind="roster", value=b"r"),
    row(day=1, kind="damaged", producer="p", sequence=3),
    row(day=1, service="a", producer="p", sequence=0, kind="checkpoint"),
    row(day=1, service="a", producer="p", sequence=0, kind="event"),
    row(day=1, service="a", producer="p", sequence=10, kind="event"),
    row(day=1, service="a", producer="q", sequence=2, kind="event"),
    row(day=1, service="b", producer="a", sequence=1, kind="event", object="x", line=2),
    row(day=1, service="b", producer="a", sequence=1, kind="event", topic="t", partition=0, offset=9, value=b"1"),
    row(day=1, service="b", producer="a", sequence=1, kind="event", topic="t", partition=0, offset=9, value=b"0"),
    row(day=1, service="b", producer="a", sequence=1, kind="event", topic="t", partition=1, offset=3),
    row(day=3, service="a", producer="p", sequence=11, kind="event", redacted={"at": 1, "by": "x", "reason": "y"}),
]


def test_rows_are_sorted() -> None:
    mixed = [*ORDERED[8:], *ORDERED[4:8], *ORDERED[3::-1]]
    ordered = table_of(ORDERED)

    assert ordered.column("sequence").to_pylist() == [None, None, 3, 0, 0, 10, 2, 1, 1, 1, 1, 11]
    assert ordered.column("offset").to_pylist()[7:11] == [None, 9, 9, 3]
    assert ordered.column("value").to_pylist()[8:10] == [b"1", b"0"], "the order of arrival is lost"
    assert table_of(mixed).equals(ordered)
    assert sorted_table(ordered.take([11, 10, 8, 9, *range(7, -1, -1)])).equals(ordered)


def test_no_rows_make_an_empty_table() -> None:
    assert table_of([]).schema.equals(SCHEMA, check_metadata=True)
    assert list(days_of(table_of([]))) == []


def test_days_of_a_table() -> None:
    days = [(day, len(rows)) for day, rows in days_of(table_of(ORDERED))]

    assert days == [(date(1970, 1, 2), 11), (date(1970, 1, 4), 1)]


def test_days_of_a_table_in_chunks() -> None:
    table = pa.concat_tables([table_of(ORDERED), table_of(ORDERED[-1:])])

    assert [len(rows) for _, rows in days_of(table)] == [11, 2]


def test_binary_values_are_those_of_pyarrow() -> None:
    values = [b"", b"\x00", b"x" * 3_000, b""]
    table = table_of(row(day=1, sequence=number, value=value) for number, value in enumerate(values))

    assert table.column("value").to_pylist() == values
    table.validate(full=True)


def test_row_refuses_an_unknown_column() -> None:
    with pytest.raises(TypeError, match="no column user"):
        row(user="alice")


def test_field_ids_are_unique_and_never_change() -> None:
    ids = [int(field.metadata[b"PARQUET:field_id"]) for field in SCHEMA]

    assert len(set(ids)) == len(COLUMNS)
    assert dict(zip(COLUMNS, ids, strict=True))["value"] == 22
    assert dict(zip(COLUMNS, ids, strict=True))["traceparent"] == 100
    assert dict(zip(COLUMNS, ids, strict=True))["occurredat"] == 115


def test_sets_of_columns_cover_the_table() -> None:
    assert {*NARROW_COLUMNS, *WIDE_COLUMNS} == set(COLUMNS)
    assert set(PERSONAL_COLUMNS) < set(COLUMNS)

"""Nested values become cells of typed columns, and values that do not fit are refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from telemetry.reader.mappings.table import Column, parse_time, present, row_of

COLUMNS = (Column("name"), Column("number", "integer"), Column("time", "time"), Column("more", "json"))


def test_cells_have_the_types_of_their_columns() -> None:
    record = {"name": "a", "number": -5, "time": "2026-01-31T12:00:00+01:00", "more": {"b": [1, "é"]}, "other": 1}
    assert row_of(record, COLUMNS) == ["a", -5, datetime(2026, 1, 31, 11, tzinfo=UTC), '{"b":[1,"é"]}']


def test_absent_member_is_an_empty_cell() -> None:
    assert row_of({}, COLUMNS) == [None, None, None, None]


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1])
def test_integer_of_more_than_64_bits(number: int) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        row_of({"number": number}, COLUMNS)


def test_time_without_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="offset"):
        parse_time("2026-01-31T12:00:00")


def test_only_members_with_values_are_present() -> None:
    assert present(a=None, b=0, c="", d=False) == {"b": 0, "c": "", "d": False}

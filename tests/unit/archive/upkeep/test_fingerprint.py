from __future__ import annotations

import pytest

from telemetry.archive.rows.columns import COLUMNS, row
from telemetry.archive.rows.tables import table_of
from telemetry.archive.upkeep.fingerprint import Fingerprint
from tests.support.upkeep_rows import Rows, an_event

ROWS = [an_event("a", number) for number in range(20)]


def test_order_and_batches_do_not_matter() -> None:
    whole = Fingerprint().of(table_of(ROWS))
    parts = Fingerprint()
    for table in Rows(ROWS[::-1]).tables():
        parts = parts.of(table)

    assert whole == parts
    assert whole.rows == 20


@pytest.mark.parametrize("column", ["value", "leaf", "offset", "actorid", "kafka_time", "day", "redacted", "headers"])
def test_any_other_column_is_another_fingerprint(column: str) -> None:
    other = {
        "value": b"x",
        "leaf": bytes(32),
        "offset": 99,
        "actorid": "bob",
        "kafka_time": 1,
        "day": 1,
        "redacted": {"at": 1, "by": "x", "reason": "y", "request": "z"},
        "headers": b"{}",
    }
    changed = list(an_event("a", 0))
    changed[COLUMNS.index(column)] = other[column]

    assert Fingerprint().of(table_of([tuple(changed)])) != Fingerprint().of(table_of([an_event("a", 0)]))


def test_row_twice_is_not_row_once() -> None:
    once, twice = Fingerprint().of(table_of(ROWS)), Fingerprint().of(table_of([*ROWS, ROWS[0]]))

    assert once != twice
    assert once.total != twice.total


def test_absent_and_empty_differ() -> None:
    absent, empty = row(day=1, value=None), row(day=1, value=b"")

    assert Fingerprint().of(table_of([absent])) != Fingerprint().of(table_of([empty]))

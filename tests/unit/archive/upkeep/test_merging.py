from __future__ import annotations

import random
from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from telemetry.archive.rows.columns import row
from telemetry.archive.rows.tables import sorted_table
from telemetry.archive.upkeep.merging import ORDER_COLUMNS, is_in_order, merged
from tests.support.upkeep_rows import DAY, Rows, a_checkpoint, an_event

KEYS = list(ORDER_COLUMNS)


def test_merge_is_the_sort_of_all_rows() -> None:
    rows = [an_event(producer, number) for producer in "abc" for number in range(50)]
    rows += [a_checkpoint("a", 10), row(day=DAY, kind="damaged", offset=1), row(day=DAY, kind="damaged", producer="a")]
    random.Random(4).shuffle(rows)  # noqa: S311 - an order

    table = pa.concat_tables(merged([Rows(rows[start::6]) for start in range(6)]))

    assert table.num_rows == len(rows)
    assert table.select(KEYS).equals(sorted_table(table).select(KEYS))
    offsets = Counter(Rows(rows).table.column("offset").to_pylist())
    assert Counter(table.column("offset").to_pylist()) == offsets


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=12), max_size=5), st.integers(1, 4)
)
def test_any_inputs_give_each_row_once(inputs: list[list[tuple[str, int]]], batch: int) -> None:
    sources = [Rows([an_event(*each) for each in rows], batch=batch) for rows in inputs]

    tables = list(merged(sources))

    found = [(row["producer"], row["sequence"]) for table in tables for row in table.to_pylist()]
    assert found == sorted(each for rows in inputs for each in rows)


def test_empty_inputs_give_nothing() -> None:
    assert list(merged([Rows([]), Rows([])])) == []


def test_order_is_seen() -> None:
    (batch,) = Rows([an_event("a", 1), an_event("a", 2), an_event("b", 0)]).table.to_batches()

    assert is_in_order(batch)
    assert not is_in_order(batch.take(pa.array([1, 0, 2])))

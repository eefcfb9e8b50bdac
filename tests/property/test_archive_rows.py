"""Whatever a topic has becomes one row, and comes back from the row as the verifier would have read it from the topic."""

from __future__ import annotations

import io
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.archive.files.parquet_form import writer_of
from telemetry.archive.rows.records import records_of
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value.message import parse
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import Place, RawRecord
from tests.attacks.forge import Writer

NOW = 1_770_000_000.0


def genuine() -> list[RawRecord]:
    records = []
    for number in range(3):
        writer = Writer(number, is_sealed=number != 2)
        records += writer.run(6, every=3)
    return records


GENUINE = genuine()
VALUES = [record.value or b"" for record in GENUINE]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a genuine value with some bytes replaced, inserted or removed."""
    value = draw(st.sampled_from(VALUES))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(value)))
        removed = draw(st.integers(0, 4))
        inserted = draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b'"', b",", b"\\", b"{", b'"x":"y",', b"\xff"]))
        )
        value = value[:start] + inserted + value[start + removed :]
    return value


RECORDS = st.builds(
    RawRecord,
    key=st.one_of(st.none(), st.binary(max_size=20), st.sampled_from([record.key for record in GENUINE])),
    value=st.one_of(st.none(), st.binary(max_size=40), mutated()),
    place=st.builds(Place, st.just("audit-events"), st.integers(0, 3), st.integers(0, 1 << 40), st.none()),
    timestamp=st.one_of(st.none(), st.integers(-1, 1 << 45).map(lambda moment: moment / 1_000)),
    headers=st.lists(
        st.tuples(st.sampled_from(["telemetry-leaves", "telemetry-batch", "other"]), st.binary(max_size=9)), max_size=3
    ).map(tuple),
    append_time=st.none(),
    is_key_kept=st.just(True),  # noqa: FBT003 - drawn
)


@settings(max_examples=150, deadline=None)
@given(records=st.lists(RECORDS, max_size=12), as_file=st.booleans())
def test_records_come_back(records: list[RawRecord], as_file: bool) -> None:
    maker = RowMaker(now=lambda: NOW)
    table = table_of(maker.row_of(record) for record in records)
    table.validate(full=True)
    if as_file:
        sink = io.BytesIO()
        with writer_of(sink, rows=len(table)) as writer:
            writer.write_table(table)
        table = pq.read_table(sink)
    found = [record for batch in table.to_batches() for record in records_of(batch, store_name="store")]

    expected = [came_back(record) for record in records]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def came_back(record: RawRecord) -> RawRecord:
    """Return what is left of a record: the value, its place, its time as far as a calendar has it, and the headers in use."""
    timestamp = record.timestamp
    if timestamp is not None and not 0 <= timestamp <= 253_402_300_799:
        timestamp = None
    headers = tuple((name, data) for name, data in record.headers if name != "other")
    kept: dict[str, Any] = {"timestamp": timestamp, "headers": headers if record.value is not None else ()}
    (row,) = table_of([RowMaker(now=lambda: NOW).row_of(record)]).select(["kind", "producer"]).to_pylist()
    if row["kind"] == "checkpoint":
        if record.key == row["producer"].encode():
            return record._replace(key=None, is_key_kept=False, **kept)
        return record._replace(key=None if record.key is None else b"sha256:" + key_hash(record.key), **kept)
    if row["kind"] == "event":
        named = parse(record.value or b"").attributes["keyhash"].encode()
        if record.key is None or key_hash(record.key) != named:
            return record._replace(key=None if record.key is None else b"sha256:" + key_hash(record.key), **kept)
    return record._replace(key=None, is_key_kept=False, **kept)


@settings(max_examples=150, deadline=None)
@given(value=mutated())
def test_columns_of_an_event_are_those_of_its_value(value: bytes) -> None:
    record = RawRecord(b"k", value, Place("audit-events", 0, 1), NOW)
    (row,) = table_of([RowMaker(now=lambda: NOW).row_of(record)]).to_pylist()

    assert (row["value"], row["leaf"]) == (value, leaf_hash(value))
    if row["kind"] != "event":
        return
    attributes = parse(value).attributes
    assert {name: row[name] for name in ("producer", "sequence", "id", "type", "keyhash", "keyid", "traceparent")} == {
        name: attributes.get(name) for name in ("producer", "sequence", "id", "type", "keyhash", "keyid", "traceparent")
    }

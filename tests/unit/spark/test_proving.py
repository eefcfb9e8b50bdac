"""Ranges that are put together in any order prove an archive, and name what was changed in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa
import pytest

from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.exceptions import FormatError
from telemetry.format.proof.merkle import leaf_hash
from telemetry.reader.entry import RawRecord
from telemetry.reader.verify.verdicts import Verdict
from telemetry.spark import RangeReport, judge_ranges, signed_checkpoints, verify_ranges
from tests.support.written_trail import Process, Signer, altered, topic

SIZE = 95


def archived(records: Iterable[RawRecord]) -> pa.Table:
    maker = RowMaker(now=time.time)
    return table_of([maker.row_of(record) for record in records])


def verified(table: pa.Table, *signers: Signer, rows_in_a_batch: int = 1_000) -> RangeReport:
    kinds = table.column("kind").to_pylist()
    values = [each for kind, each in zip(kinds, table.column("value").to_pylist(), strict=True) if kind == "checkpoint"]
    checkpoints = signed_checkpoints(values, trust=[signer.public for signer in signers or (Signer(),)])
    cuts = {stream: [each.size for each in found] for stream, found in checkpoints.items()}
    batches = table.to_batches(max_chunksize=rows_in_a_batch)
    ranges = [row for batch in verify_ranges(batches, cuts=cuts) for row in batch.to_pylist()]
    return judge_ranges(ranges[1::2] + ranges[::2], checkpoints)


def changed(table: pa.Table, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> pa.Table:
    rows = [row for each in table.to_pylist() if (row := change(each)) is not None]
    return pa.Table.from_pylist(rows, schema=table.schema)


def is_event(row: dict[str, Any], sequence: int) -> bool:
    return bool(row["kind"] == "event" and row["sequence"] == sequence)


@pytest.fixture
def table() -> pa.Table:
    return archived(topic(Process().run(SIZE), partitions=3))


@pytest.mark.parametrize("rows_in_a_batch", [1, 7, 64, 1_000])
def test_whole_trail_is_proven(table: pa.Table, rows_in_a_batch: int) -> None:
    report = verified(table, rows_in_a_batch=rows_in_a_batch)

    assert (report.events, report.proven, report.findings, report.is_complete) == (SIZE, SIZE, [], True)


def test_two_processes_and_two_keys() -> None:
    other = Signer(seed=2)
    table = archived([*topic(Process().run(SIZE)), *topic(Process(2, signer=other).run(SIZE))])

    both, one = verified(table, Signer(), other), verified(table, Signer())

    assert (both.proven, both.is_complete) == (2 * SIZE, True)
    assert one.proven == SIZE
    assert [finding.reason for finding in one.findings] == ["no trusted key signed for this stream"]


def test_event_that_is_absent(table: pa.Table) -> None:
    (finding,) = verified(changed(table, lambda row: None if is_event(row, 42) else row)).findings

    assert (finding.verdict, finding.first, finding.last) == (Verdict.MISSING, 42, 42)


def test_event_that_was_altered() -> None:
    records = topic(Process().run(SIZE))
    at = next(at for at, record in enumerate(records) if b'"sequence":42,' in (record.value or b""))
    records[at] = altered(records[at], lambda value: value.replace(b'"type":"', b'"type":"x', 1))

    report = verified(archived(records))

    (finding,) = report.findings
    assert finding.verdict is Verdict.TAMPERED
    assert finding.last is not None
    assert finding.first <= 42 <= finding.last
    assert report.proven == SIZE - (finding.last - finding.first + 1)


def test_event_twice_is_proven_once(table: pa.Table) -> None:
    twice = pa.concat_tables([table, changed(table, lambda row: row if is_event(row, 42) else None)])

    report = verified(twice.sort_by([(name, "ascending") for name in ("service", "producer", "sequence", "kind")]))

    assert (report.proven, report.is_complete) == (SIZE, True)


def test_archive_twice_is_proven_once(table: pa.Table) -> None:
    report = verified(pa.concat_tables([table, table]))

    assert (report.proven, report.is_complete) == (SIZE, True)


def test_rival_of_an_event_is_named(table: pa.Table) -> None:
    def rival(row: dict[str, Any]) -> dict[str, Any] | None:
        return {**row, "value": row["value"].replace(b'"type":"', b'"type":"x', 1)} if is_event(row, 42) else None

    rows = [*table.to_pylist(), *changed(table, rival).to_pylist()]
    rows.sort(key=lambda row: (row["kind"] != "event", row["sequence"]))

    report = verified(pa.Table.from_pylist(rows, schema=table.schema))

    assert "two different events claim this place" in [finding.reason for finding in report.findings]


def test_columns_are_not_believed(table: pa.Table) -> None:
    lying = changed(table, lambda row: {**row, "producer": "x", "sequence": 7} if is_event(row, 42) else row)

    assert verified(lying).proven == SIZE


def test_redacted_event_is_proven_by_its_leaf(table: pa.Table) -> None:
    redacted = changed(table, lambda row: {**row, "value": None} if is_event(row, 42) else row)
    forged = changed(table, lambda row: {**row, "value": None, "leaf": bytes(32)} if is_event(row, 42) else row)

    assert (verified(redacted).proven, verified(redacted).is_complete) == (SIZE, True)
    assert [finding.verdict for finding in verified(forged).findings] == [Verdict.TAMPERED]


@pytest.mark.parametrize("has_leaves", [True, False])
def test_ended_events_are_not_missing(table: pa.Table, *, has_leaves: bool) -> None:
    gone = [row for row in table.to_pylist() if row["kind"] == "event" and 10 <= row["sequence"] < 20]
    rest = [row for row in table.to_pylist() if row not in gone]
    leaves = b"".join(leaf_hash(row["value"]) for row in gone) if has_leaves else None
    ended = {**dict.fromkeys(table.schema.names), "kind": "ended", "sequence": 10, "until": 20, "value": leaves}
    ended |= {name: gone[0][name] for name in ("day", "service", "environment", "producer")}

    report = verified(pa.Table.from_pylist([*rest, ended], schema=table.schema))

    assert (report.ended, report.is_complete) == (10, True)
    assert (report.proven == SIZE) is has_leaves


def test_end_that_was_cut_off(table: pa.Table) -> None:
    report = verified(archived(topic(Process().run(SIZE))[:-1]))

    assert report.findings[-1].verdict is Verdict.TRUNCATED


def test_value_that_is_no_event(table: pa.Table) -> None:
    junk = changed(table, lambda row: {**row, "value": b"{}"} if is_event(row, 42) else row)

    findings = verified(junk).findings

    assert {finding.verdict for finding in findings} == {Verdict.TAMPERED, Verdict.MISSING}


def test_batch_without_a_column(table: pa.Table) -> None:
    with pytest.raises(FormatError, match="leaf"):
        list(verify_ranges(table.drop_columns(["leaf"]).to_batches(), cuts={}))

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from telemetry.archive.rows.columns import CLEAR_COLUMNS, Row
from telemetry.archive.rows.records import records_of
from telemetry.archive.upkeep.redaction.redacted import Redacted
from telemetry.archive.upkeep.redaction.request import RedactionRequest
from telemetry.exceptions import ArchiveError
from telemetry.reader.entry import RedactedEvent
from tests.support.upkeep_rows import KEYHASH, NOON, A, Rows, a_checkpoint, an_event

OTHER = "o" * 22
ROWS = [*[an_event(A, number, keyhash=KEYHASH if number % 3 else OTHER) for number in range(9)], a_checkpoint(A, 9)]


def a_request(**parts: Any) -> RedactionRequest:
    fixed = {"request": "DSR-1", "reason": "erasure", "by": "dora", "at": NOON, "ids": (), "keyhashes": (KEYHASH,)}
    return RedactionRequest(**{**fixed, **parts})


def redact(rows: list[Row], **parts: Any) -> tuple[Redacted, pa.Table]:
    change = Redacted(a_request(**parts))
    return change, pa.concat_tables(change.changed(Rows(rows).tables()))


def test_content_and_identity_go_and_the_leaf_stays() -> None:
    change, table = redact(ROWS)
    change.require_kept([table])
    redacted = [each for each in table.to_pylist() if each["redacted"]]
    before = {each["sequence"]: each for each in Rows(ROWS).table.to_pylist() if each["kind"] == "event"}

    assert change.count == len(redacted) == 6
    for each in redacted:
        kept = before[each["sequence"]]
        assert each["value"] is each["keyhash"] is each["key"] is None
        assert [each[name] for name in CLEAR_COLUMNS] == [None] * len(CLEAR_COLUMNS)
        assert all(
            each[name] == kept[name] for name in ("leaf", "offset", "id", "type", "time", "kafka_time", "producer")
        )
        assert (each["redacted"]["request"], each["redacted"]["by"]) == ("DSR-1", "dora")
    assert sum(each["value"] is not None for each in table.to_pylist()) == 4


def test_reader_gets_redacted_events() -> None:
    _, table = redact(ROWS)

    records = [each for batch in table.to_batches() for each in records_of(batch, store_name="store")]

    found = [each for each in records if isinstance(each, RedactedEvent)]
    assert [each.sequence for each in found] == [1, 2, 4, 5, 7, 8]
    assert {(each.source, each.request, each.reason) for each in found} == {("/test/shop", "DSR-1", "erasure")}


def test_ids_narrow_the_request_or_are_enough() -> None:
    assert redact(ROWS, ids=(f"{A}-1", f"{A}-3"))[0].count == 1
    assert redact(ROWS, ids=(f"{A}-1", f"{A}-3"), keyhashes=())[0].count == 2


def test_what_was_redacted_keeps_its_first_request() -> None:
    _, once = redact(ROWS)
    second = Redacted(a_request(request="DSR-2", keyhashes=(), ids=tuple(f"{A}-{number}" for number in range(9))))

    twice = pa.concat_tables(second.changed([once]))

    requests = [each["redacted"]["request"] for each in twice.to_pylist() if each["redacted"]]
    assert (requests.count("DSR-1"), requests.count("DSR-2"), second.count) == (6, 3, 3)


@pytest.mark.parametrize("loses", ["row", "leaf", "redaction"])
def test_outcome_that_lost_something_is_refused(loses: str) -> None:
    change, table = redact(ROWS)
    if loses == "row":
        table = table.slice(1)
    elif loses == "leaf":
        leaves = pa.array([bytes(32)] * table.num_rows, table.schema.field("leaf").type)
        table = table.set_column(table.schema.get_field_index("leaf"), table.schema.field("leaf"), leaves)
    else:
        table = Rows(ROWS).table

    with pytest.raises(ArchiveError):
        change.require_kept([table])

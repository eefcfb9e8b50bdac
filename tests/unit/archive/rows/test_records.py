from __future__ import annotations

from typing import Any

import pytest

from telemetry.archive.rows.columns import Kind, row
from telemetry.archive.rows.records import FOUND_KEY, RECORD_COLUMNS, ArchivedRecord, records_of
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.archive.rows.tables import table_of
from telemetry.exceptions import MalformedRecordError
from telemetry.format.roster.message import encode_roster_message
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import DamagedRecord, EndedRun, Place, RawRecord, RedactedEvent
from tests.support.rosters import Witnessing
from tests.unit.archive.rows.test_row_maker import KAFKA_TIME, NOW, placed, writer

PRODUCER = "0198c0de-0000-7000-8000-000000000001"
ON_TOPIC = {"topic": "audit-events", "partition": 3, "offset": 7}
IN_STREAM = {"service": "pay ments", "environment": "production", "producer": PRODUCER, "sequence": 4}
LEAF = bytes(range(32))
REDACTED = {"at": 1 << 62, "by": "clerk", "reason": "asked for", "request": "R-1"}


def read(*rows: tuple[Any, ...]) -> list[ArchivedRecord]:
    table = table_of(rows).select(RECORD_COLUMNS)
    return [
        record
        for batch in table.to_batches()
        for record in records_of(batch, store_name="fallback", file="events/data/f.parquet")
    ]


def archived(record: RawRecord | DamagedRecord, **options: Any) -> ArchivedRecord:
    (found,) = read(RowMaker(now=lambda: NOW, **options).row_of(record))
    return found


def test_event_comes_back_without_its_key() -> None:
    record = placed(writer().event())

    assert archived(record) == record._replace(key=None, is_key_kept=False)


def test_event_of_a_store_comes_back() -> None:
    record = writer().event()._replace(place=Place("fallback", offset=4, name="x.jsonl"))

    assert archived(record) == record._replace(key=None, is_key_kept=False)


def test_append_time_comes_back() -> None:
    record = placed(writer().event())._replace(append_time=KAFKA_TIME)

    assert archived(record) == record._replace(key=None, is_key_kept=False)


def test_hidden_key_comes_back() -> None:
    record = placed(writer().event())._replace(key=b"0f" * 32)

    assert archived(record, keeps_keys=True) == record


@pytest.mark.parametrize(
    ("key", "read_key"), [(b"mallory:payments", FOUND_KEY + key_hash(b"mallory:payments")), (None, None)]
)
def test_other_key_comes_back_as_none_of_any_event(key: bytes | None, read_key: bytes | None) -> None:
    record = placed(writer().event())._replace(key=key)

    assert archived(record) == record._replace(key=read_key)


def test_checkpoint_comes_back_whole() -> None:
    own = writer()
    own.run(3, end=False)
    record = placed(own.checkpoint())

    assert record.headers
    assert archived(record) == record._replace(key=None, is_key_kept=False)


def test_roster_comes_back() -> None:
    value = encode_roster_message(Witnessing().sign("later something"), event_id=PRODUCER)
    record = placed(RawRecord(b"origin", value, Place("")))

    assert archived(record) == record._replace(key=None, is_key_kept=False)


@pytest.mark.parametrize("value", [b"", b"junk", None])
def test_damaged_value_and_tombstone_come_back(value: bytes | None) -> None:
    record = placed(RawRecord(b"alice:payments", value, Place("")))

    assert archived(record) == record._replace(key=None, is_key_kept=False)


def test_unreadable_offsets_come_back() -> None:
    place = Place("audit-events", 3, 7)
    record = DamagedRecord(place, MalformedRecordError("offset 7 cannot be read"), RawRecord(None, None, place))
    found = archived(record)

    assert isinstance(found, DamagedRecord)
    assert (found.place, str(found.error), found.raw) == (place, str(record.error), record.raw)


def test_redacted_event() -> None:
    (found,) = read(row(kind=Kind.EVENT.value, day=1, leaf=LEAF, redacted=REDACTED, **IN_STREAM, **ON_TOPIC))

    assert found == RedactedEvent(
        source="/production/pay%20ments",
        producer=PRODUCER,
        sequence=4,
        leaf=LEAF,
        place=Place("audit-events", 3, 7),
        reason="asked for",
        request="R-1",
    )


@pytest.mark.parametrize("leaves", [LEAF * 3, None])
def test_ended_run(leaves: bytes | None) -> None:
    ended = {"until": 7, "value": leaves, "redacted": {**REDACTED, "reason": "7y"}}
    (found,) = read(row(kind=Kind.ENDED.value, day=1, **ended, **IN_STREAM))

    assert found == EndedRun(
        source="/production/pay%20ments",
        producer=PRODUCER,
        first=4,
        end=7,
        leaves=leaves,
        place=Place("fallback", None, 0, "events/data/f.parquet"),
        policy="7y",
    )


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"kind": "event"},
        {"kind": "event", "redacted": None},
        {"kind": "event", "leaf": LEAF, **IN_STREAM},
        {"kind": "event", "redacted": REDACTED, **IN_STREAM},
        {"kind": "event", "redacted": REDACTED, "leaf": LEAF, **IN_STREAM, "sequence": -1},
        {"kind": "event", "redacted": REDACTED, "leaf": LEAF, **IN_STREAM, "producer": None},
        {"kind": "ended", **IN_STREAM, "until": 4},
        {"kind": "ended", **IN_STREAM, "until": 1 << 60},
        {"kind": "ended", **IN_STREAM, "until": 5, "value": LEAF[:-1]},
        {"kind": "ended", "until": 5},
        {"kind": "tombstone", "value": b"x"},
        {"kind": "checkpoint"},
        {"kind": "something else"},
    ],
)
@pytest.mark.parametrize("place", [ON_TOPIC, {"object": "x", "line": 3}, {"topic": "audit-events"}, {}])
def test_rows_in_no_form_are_damaged_records(columns: dict[str, Any], place: dict[str, Any]) -> None:
    (found,) = read(row(day=1, **columns, **place))

    assert isinstance(found, DamagedRecord)
    assert "row of the archive" in str(found.error)


def test_absurd_time_of_a_row_is_no_exception() -> None:
    event = placed(writer().event())
    made = RowMaker(now=lambda: NOW).row_of(event)
    absurd = {"kafka_time": -(1 << 62), "headers": b"\xff", "append_time": True}
    (found,) = read(row(kind="event", day=1, value=event.value, **absurd, **ON_TOPIC))

    assert isinstance(found, RawRecord)
    assert (found.headers, made[0] > 0) == ((), True)

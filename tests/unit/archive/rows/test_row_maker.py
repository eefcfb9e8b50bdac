from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from telemetry.archive.rows.columns import CLEAR_COLUMNS, COLUMNS, Row
from telemetry.archive.rows.row_maker import RowMaker
from telemetry.exceptions import InputError, MalformedRecordError
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.roster.message import encode_roster_message
from telemetry.format.value.message import BATCH_HEADER
from telemetry.format.value.render import key_hash
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from tests.attacks.forge import Writer
from tests.support.rosters import Witnessing

CLOCK = datetime(2026, 1, 31, 23, 59, 59, 999_000, tzinfo=UTC)
NOW = CLOCK.timestamp()
KAFKA_TIME = CLOCK.timestamp() + 1


def named(row: Row) -> dict[str, Any]:
    """Return what is not null of a row, by column; texts as ``str``."""
    raw = {"leaf", "value", "key", "headers", "checkpoint"}
    found = {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}
    return {
        name: value.decode() if isinstance(value, bytes) and name not in raw else value for name, value in found.items()
    }


def made(record: RawRecord | DamagedRecord, **options: Any) -> dict[str, Any]:
    return named(RowMaker(now=lambda: NOW, **options).row_of(record))


def placed(record: RawRecord, offset: int = 7) -> RawRecord:
    return record._replace(place=Place("audit-events", 3, offset), timestamp=KAFKA_TIME)


def writer(**options: Any) -> Writer:
    return Writer(clock=CLOCK, **options)


def test_event_of_the_topic() -> None:
    own = writer()
    record = placed(own.event(user="alice"))._replace(headers=(("content-type", b"x"), (BATCH_HEADER, b"sender-1")))
    value = record.value or b""
    assert own.key is not None

    assert made(record) == {
        "day": (CLOCK - datetime(1970, 1, 1, tzinfo=UTC)).days,
        "service": "payments",
        "environment": "production",
        "kind": "event",
        "producer": own.producer,
        "sequence": 0,
        "time": round(CLOCK.timestamp() * 1_000_000),
        "id": "0198c0de-0000-7000-8000-000000000000",
        "type": "payment",
        "keyhash": key_hash(record.key or b"").decode(),
        "kid": own.key.kid,  # type: ignore[union-attr]
        "keyid": own.key.key_uri,
        "topic": "audit-events",
        "partition": 3,
        "offset": 7,
        "kafka_time": round(KAFKA_TIME * 1_000_000),
        "append_time": False,
        "leaf": leaf_hash(value),
        "value": value,
        "headers": b'[["telemetry-batch","c2VuZGVyLTE="]]',
    }


def test_clear_event_has_no_data_key() -> None:
    row = made(placed(writer(is_sealed=False).event()))

    assert row["kind"] == "event"
    assert {"kid", "keyid"}.isdisjoint(row)


def test_event_of_a_fallback_object() -> None:
    record = writer().event()._replace(place=Place("fallback", offset=4, name="2026/01/31/x.jsonl"))
    row = made(record)

    assert (row["object"], row["line"]) == ("2026/01/31/x.jsonl", 4)
    assert {"topic", "partition", "offset", "kafka_time"}.isdisjoint(row)


def test_projected_fields_have_columns() -> None:
    value = placed(writer().event()).value or b""
    more = b'"type":"payment","traceparent":"00-a-b-01","entityid":"\\"17\\u0000\xc3\xa9","action":"read","sensitive":false'
    row = made(placed(RawRecord(b"alice:payments", value.replace(b'"type":"payment"', more), Place(""))))

    assert row["kind"] == "event"
    found = {name: row[name] for name in CLEAR_COLUMNS if name in row}
    assert found == {"traceparent": "00-a-b-01", "entityid": '"17\0é', "action": "read", "sensitive": False}


def test_append_time_is_remembered() -> None:
    row = made(placed(writer().event())._replace(append_time=KAFKA_TIME))

    assert row["append_time"] is True


@pytest.mark.parametrize(
    ("key", "found"),
    [(b"alice:payments", None), (b"mallory:payments", key_hash(b"mallory:payments").decode()), (None, "")],
)
def test_other_key_leaves_its_hash(key: bytes | None, found: str | None) -> None:
    row = made(placed(writer().event(user="alice"))._replace(key=key), keeps_keys=True)

    assert row.get("found_keyhash") == found
    assert "key" not in row, "a key that names a user was kept"


def test_hidden_key_is_kept_where_asked() -> None:
    record = placed(writer().event())._replace(key=b"0f" * 32)

    assert made(record, keeps_keys=True)["key"] == b"0f" * 32
    assert "key" not in made(record)


def test_unkept_key_is_not_judged() -> None:
    row = made(placed(writer().event())._replace(key=None, is_key_kept=False))

    assert "found_keyhash" not in row


def test_checkpoint() -> None:
    own = writer()
    own.run(3, every=10, end=False)
    record = placed(own.checkpoint())
    row = made(record)

    assert (row["kind"], row["producer"], row["sequence"], row["service"]) == (
        "checkpoint",
        own.producer,
        3,
        "payments",
    )
    assert row["headers"].startswith(b'[["%b","' % LEAVES_HEADER.encode())
    assert row["value"] == row["checkpoint"] == record.value
    assert "found_keyhash" not in row


def test_checkpoint_under_another_key() -> None:
    record = placed(writer().checkpoint())._replace(key=b"alice:payments")

    assert made(record)["found_keyhash"] == key_hash(b"alice:payments").decode()


def test_roster() -> None:
    value = encode_roster_message(Witnessing().sign("later something"), event_id="0198c0de-0000-7000-8000-000000000000")
    row = made(placed(RawRecord(b"origin", value, Place(""))))

    assert (row["kind"], row["value"]) == ("roster", value)


def test_tombstone_keeps_its_place() -> None:
    row = made(placed(RawRecord(b"alice:payments", None, Place(""))))

    assert (row["kind"], row["offset"], row["error"]) == ("tombstone", 7, "it has no value")
    assert {"key", "keyhash", "value", "leaf"}.isdisjoint(row)


def test_unreadable_offsets() -> None:
    place = Place("audit-events", 3, 7)
    error = MalformedRecordError("offsets 7 to 11 cannot be read")
    row = made(DamagedRecord(place, error, RawRecord(None, None, place), end=12))

    assert (row["kind"], row["offset"], row["until"]) == ("unreadable", 7, 12)
    assert row["error"] == "offsets 7 to 11 cannot be read"


def _replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda value: value.replace(old, new, 1)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "no JSON": lambda _: b"\xff\x00",
    "space": lambda value: value + b" ",
    "cut": lambda value: value[:-1],
    "cut in the tag": lambda value: value[:-10] + b'"}',
    "other order": _replaced(b'"specversion":"1.0",', b""),
    "long sequence": _replaced(b'"sequence":0', b'"sequence":' + b"9" * 5_000),
    "sequence too large": _replaced(b'"sequence":0', b'"sequence":9007199254740992'),
    "leading zero": _replaced(b'"sequence":0', b'"sequence":00'),
    "no day": _replaced(b"2026-01-31T", b"2026-02-31T"),
    "unknown member": _replaced(b',"data":', b',"more":"1","data":'),
    "member twice": _replaced(b'"type":"payment"', b'"type":"payment","type":"payment"'),
    "members out of order": _replaced(b'"type":"payment"', b'"type":"payment","outcome":"a","action":"b"'),
    "null member": _replaced(b'"type":"payment"', b'"type":"payment","action":null'),
    "escape too many": _replaced(b'"type":"payment"', b'"type":"p\\u0061yment"'),
    "other service": _replaced(b'"type":"payment"', b'"type":"payment","servicename":"orders"'),
    "no commitment": _replaced(b',"data":', b',"commitment":"x","data":'),
    "data is no JWE": lambda value: value[: value.index(b',"data":')] + b',"data":"x"}',
    "member after the data": lambda value: value[:-1] + b',"x":"y"}',
    "escape in the data": lambda value: value[:-10] + b"\\u0041AAA" + value[-10:],
    "other character in the data": lambda value: value[:-40] + b"+" + value[-39:],
    "dot in the data": lambda value: value[:-40] + b"." + value[-39:],
    "bits after the tag": lambda value: value[:-3] + b'B"}',
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_other_forms_are_damaged_and_kept(damage: str) -> None:
    maker, own = RowMaker(now=lambda: NOW), writer()
    good = placed(own.event())
    bad = good._replace(value=DAMAGES[damage](good.value or b""))
    rows = [named(maker.row_of(record)) for record in (good, bad, placed(own.event()))]

    assert [row["kind"] for row in rows] == ["event", "damaged", "event"]
    assert rows[1]["value"] == bad.value
    assert rows[1]["leaf"] == leaf_hash(bad.value or b"")
    assert len(rows[1]["error"]) > 10
    assert "service" not in rows[1]


def test_damaged_value_goes_to_the_place_that_it_claims() -> None:
    own = writer()
    row = made(placed(RawRecord(b"", b'{"producer":"%b","sequence":5}' % own.producer.encode(), Place(""))))

    assert (row["kind"], row["producer"], row["sequence"]) == ("damaged", own.producer, 5)


def test_forged_first_record_spoils_no_other() -> None:
    maker, own = RowMaker(now=lambda: NOW), writer()
    first, second = (placed(own.event()) for _ in range(2))
    value = first.value or b""
    at = value.index(b',"data":"') + 9
    forged = first._replace(value=value[:at] + b"x" + value[at + 1 :])
    rows = [named(maker.row_of(record)) for record in (forged, second)]

    assert [row["kind"] for row in rows] == ["damaged", "event"]
    assert rows[1]["kid"] == own.key.kid  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("2026-02-01T23:59:59.000000Z", "2026-02-01"),
        ("2026-02-03T00:00:00.000000Z", "2026-02-01"),
        ("2025-01-02T00:00:00.000000Z", "2025-01-02"),
        ("2024-01-02T00:00:00.000000Z", "2026-02-01"),
        ("9999-12-31T23:59:59.999999Z", "2026-02-01"),
        ("0001-01-01T00:00:00Z", "2026-02-01"),
    ],
)
@pytest.mark.parametrize("is_stored", [False, True])
def test_day_of_a_wrong_clock_is_that_of_kafka(time: str, day: str, *, is_stored: bool) -> None:
    record = placed(writer().event(time=time))
    if is_stored:
        record = record._replace(place=Place("fallback", offset=2, name="x"), timestamp=None)
    row = named(RowMaker(now=lambda: KAFKA_TIME).row_of(record))

    assert row["day"] == (datetime.fromisoformat(day) - datetime(1970, 1, 1)).days  # noqa: DTZ001 - days alone


@pytest.mark.parametrize("timestamp", [-0.001, 1e15, float("nan"), float("inf"), None])
def test_timestamp_of_no_calendar_is_dropped(timestamp: float | None) -> None:
    row = made(placed(writer().event())._replace(timestamp=timestamp))

    assert row["kind"] == "event"
    assert "kafka_time" not in row


def test_line_of_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="does not say where"):
        made(writer().event()._replace(place=Place("trail.jsonl", offset=3)))


def test_many_keys_heads_and_tails_are_bounded() -> None:
    maker = RowMaker(now=lambda: NOW)
    for number in range(300):
        own = writer(number=number)
        record = placed(own.event(f"type-{number}" * 40, user=f"user-{number}"))
        assert named(maker.row_of(record))["producer"] == own.producer

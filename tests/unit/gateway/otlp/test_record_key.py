from __future__ import annotations

from typing import Any

from telemetry.gateway.otlp.json_logs import json_records
from telemetry.gateway.otlp.log_record import LogRecord
from telemetry.gateway.otlp.protobuf_logs import protobuf_records
from telemetry.gateway.otlp.record_key import RecordKeys
from tests.support.otlp_requests import TIME, as_json, record, request


def keys(*records: Any, resource: dict[str, Any] | None = None, is_json: bool = False) -> list[str]:
    sent = request(*records, resource=resource)
    read = (
        json_records(as_json(sent), max_records=10, max_depth=8)
        if is_json
        else protobuf_records(sent.SerializeToString(), max_records=10, max_depth=8)
    )
    given = RecordKeys()
    return [given.key_of(each) for each in read if isinstance(each, LogRecord)]


def test_same_request_again_has_the_same_keys() -> None:
    records = [record("a", {"x": 1, "y": b"\xff"}), record("b", body=float("nan")), record("a", {"x": 1, "y": b"\xff"})]

    assert keys(*records) == keys(*records) == keys(*records, is_json=True)
    assert len(set(keys(*records))) == 3


def test_order_of_attributes_does_not_matter() -> None:
    assert keys(record(attributes={"x": 1, "y": 2})) == keys(record(attributes={"y": 2, "x": 1}))


def test_each_difference_is_another_key() -> None:
    found = [
        *keys(record()),
        *keys(record("user.logout")),
        *keys(record(attributes={"x": 1})),
        *keys(record(attributes={"x": "1"})),
        *keys(record(body="x")),
        *keys(record(time_unix_nano=TIME + 1)),
        *keys(record(observed_time_unix_nano=TIME)),
        *keys(record(), resource={"service.instance.id": "2"}),
    ]

    assert len(set(found)) == len(found)


def test_equal_records_of_one_request_stay_two() -> None:
    first, second, other = keys(record(), record(), record("other"))

    assert second == f"{first}:2"
    assert other != first


def test_uid_of_a_record_is_its_key() -> None:
    one = keys(record(attributes={"log.record.uid": "01J", "x": 1}))

    assert one == keys(record("other", attributes={"log.record.uid": "01J"}))
    assert one != keys(record(attributes={"log.record.uid": "01K", "x": 1}))
    assert len(one[0]) < 64

from __future__ import annotations

import json

import pytest

from telemetry.exceptions import MalformedRecordError
from telemetry.format.roster.message import decode_roster_message, encode_roster_message
from tests.support.rosters import Witnessing, read_up_to
from tests.support.written_trail import Process

_ID = "0198c0de-0000-7000-8000-000000000001"


def _value() -> bytes:
    return encode_roster_message(Witnessing().sign(read_up_to(5)), event_id=_ID)


def test_roster_is_read_from_its_record() -> None:
    log = Witnessing()
    roster = log.sign(read_up_to(5))

    assert decode_roster_message(encode_roster_message(roster, event_id=_ID)) == roster


def test_other_records_are_no_rosters() -> None:
    process = Process()

    assert [decode_roster_message(record.value or b"") for record in process.run(2)] == [None, None, None]
    assert decode_roster_message(b"hello") is None


@pytest.mark.parametrize(
    "change",
    [
        {"type": "telemetry.checkpoint"},
        {"time": "2026-01-01T00:00:00Z"},
        {"data": "{}"},
        {"data": "\ud800"},
        {"more": 1},
    ],
)
def test_other_attributes_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedRecordError):
        decode_roster_message(json.dumps(json.loads(_value()) | change, separators=(",", ":")).encode())


@pytest.mark.parametrize(
    "value", [_value()[:-1], _value() + b" ", _value().replace(b"range", b"Range"), _value()[:60] + b"[" * 99_999]
)
def test_altered_record_is_refused(value: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        decode_roster_message(value)

from __future__ import annotations

import json

import pytest

from telemetry.exceptions import MalformedRecordError
from telemetry.format.proof.checkpoint import decode_checkpoint_message
from telemetry.reader import CheckpointEntry, DamagedRecord, Place, RawRecord, RecordOpener

NEARLY = {"type": "telemetry.checkpoint", "datacontenttype": "text/plain", "data": "anything at all"}
WHOLE = {
    "specversion": "1.0",
    "source": "/test/shop",
    "datacontenttype": "text/plain",
    "producer": "0190b3a4-5b2c-7def-8123-456789abcdef",
    "id": "0190b3a4-5b2c-7def-8123-456789abcdee",
    "time": "2026-01-31T12:00:00.000000Z",
    "type": "telemetry.checkpoint",
    "data": "a note",
}


def _open(value: bytes) -> object:
    return RecordOpener(None).open(RawRecord(b"key", value, Place("topic", 0, 1)))


def _compact(value: dict[str, str]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    "value",
    [
        json.dumps(NEARLY).encode(),
        _compact(NEARLY),
        json.dumps(WHOLE).encode(),
        _compact({**WHOLE, "specversion": "1.1"}),
        _compact({**WHOLE, "more": "than the format has"}),
    ],
    ids=["incomplete with spaces", "incomplete", "with spaces", "another version", "an unknown member"],
)
def test_a_checkpoint_in_another_form_is_damaged_for_reader_and_verifier(value: bytes) -> None:
    entry = _open(value)

    assert isinstance(entry, DamagedRecord)
    assert isinstance(entry.error, MalformedRecordError)
    with pytest.raises(MalformedRecordError):
        decode_checkpoint_message(value)


def test_a_checkpoint_is_an_entry_with_its_note() -> None:
    entry = _open(_compact(WHOLE))

    assert isinstance(entry, CheckpointEntry)
    assert (entry.producer, entry.note) == (WHOLE["producer"], "a note")

"""A file of records is read line by line, from each program that writes one, and damage is reported with its place."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from telemetry.exceptions import ConfigurationError, MalformedRecordError, StorageError, TamperedError
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.reader import DamagedRecord, FileSource, Place, RawRecord
from telemetry.reader.sources import file as file_module
from telemetry.reader.sources import lines as lines_module
from telemetry.reader.sources.lines import write_line

PRODUCER = "0198c0de-0000-7000-8000-000000000001"


def _object() -> bytes:
    records = [StoredRecord(b"key-%d" % n, '{"größe":"%d"}\n'.encode() % n, n) for n in range(3)]
    return encode_object(records, topic="audit-events", producer=PRODUCER, reason="unreachable")


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "records.jsonl"
    path.write_bytes(content)
    return path


def test_written_records_are_read_back(tmp_path: Path) -> None:
    records = [
        RawRecord(b"k\xc3\xbc", b'{"a":"\\u0000 \\"quoted\\""}', Place("topic", 3, 41), 1_700_000_000.5),
        RawRecord(None, b"{}", Place("topic", 0, 0), None),
    ]
    path = _file(tmp_path, b"".join(map(write_line, records)))

    found = list(FileSource(path))

    assert [(record.key, record.value, record.timestamp) for record in found if isinstance(record, RawRecord)] == [
        (record.key, record.value, record.timestamp) for record in records
    ]
    assert [entry.place for entry in found] == [record.place for record in records]


def test_leaves_of_a_checkpoint_are_kept(tmp_path: Path) -> None:
    leaves = (LEAVES_HEADER, bytes(range(256)))
    record = RawRecord(b"key", b"{}", Place("topic", 0, 1), 1.5, (("other", b"\xff"), leaves))

    (found,) = FileSource(_file(tmp_path, write_line(record)))

    assert found == record._replace(headers=(leaves,))


@pytest.mark.parametrize(
    "place",
    [
        {"topic": "t", "partition": "0", "offset": 5},
        {"topic": "t", "partition": True, "offset": 5},
        {"topic": "t", "partition": 0, "offset": -1},
        {"topic": "t", "partition": 1 << 31, "offset": 5},
        {"topic": "t", "partition": 0, "offset": 1 << 63},
        {"topic": "", "partition": 0, "offset": 5},
        {"topic": "t" * 250, "partition": 0, "offset": 5},
        {"topic": "t", "partition": 0},
        {"headers": ["name", "text"]},
    ],
    ids=str,
)
def test_place_that_is_none_is_its_line(tmp_path: Path, place: dict[str, object]) -> None:
    path = _file(tmp_path, json.dumps({"key": "k", "value": "{}", **place}).encode())

    (found,) = FileSource(path)

    assert found == RawRecord(b"k", b"{}", Place(str(path), offset=1))


def test_endless_partitions_are_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_module, "MAX_PARTITIONS", 3)
    records = [RawRecord(None, b"{}", Place("t", number % 5, number)) for number in range(10)]
    path = _file(tmp_path, b"".join(map(write_line, records)))

    places = [found.place for found in FileSource(path)]

    assert [place.partition for place in places] == [0, 1, 2, None, None] * 2
    assert places[3] == Place(str(path), offset=4)


def test_output_of_kcat_is_read(tmp_path: Path) -> None:
    line = {"topic": "t", "partition": 0, "offset": 5, "tstype": "create", "ts": 1, "key": "k", "payload": "{}"}

    (found,) = FileSource(_file(tmp_path, json.dumps(line).encode()))

    assert isinstance(found, RawRecord)
    assert (found.key, found.value, found.place, found.timestamp) == (b"k", b"{}", Place("t", 0, 5), 0.001)


def test_fallback_object_is_checked_and_read(tmp_path: Path) -> None:
    found = list(FileSource(_file(tmp_path, _object())))

    assert [record.key for record in found if isinstance(record, RawRecord)] == [b"key-0", b"key-1", b"key-2"]
    assert [entry.place.offset for entry in found] == [2, 3, 4]


def test_altered_object_is_reported_and_read(tmp_path: Path) -> None:
    content = _object().replace(b"key-1", b"key-9")

    damaged, *rest = FileSource(_file(tmp_path, content))

    assert isinstance(damaged, DamagedRecord)
    assert isinstance(damaged.error, TamperedError)
    assert [record.key for record in rest if isinstance(record, RawRecord)] == [b"key-0", b"key-9", b"key-2"]


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b"[]",
        b"{}",
        b'{"key":"k"}',
        b'{"key":1,"value":"v"}',
        b'{"key":"k","value":"\\ud800"}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"key":"k","value":"v',
    ],
)
def test_malformed_line_is_reported_with_its_number(tmp_path: Path, line: bytes) -> None:
    good = b'{"key":"k","value":"v"}'

    found = list(FileSource(_file(tmp_path, b"\n".join([good, b"", line, good]))))

    assert [entry.place.offset for entry in found] == [1, 3, 4]
    damaged = found[1]
    assert isinstance(damaged, DamagedRecord)
    assert isinstance(damaged.error, MalformedRecordError)


@pytest.mark.parametrize("ending", [b"", b"\n", b'\n{"key":"k","value":"v"}\n'])
def test_endless_line_does_not_fill_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes) -> None:
    monkeypatch.setattr("telemetry.reader.sources.file.MAX_LINE_BYTES", 1_000)
    content = b'{"key":"k","value":"v"}\n' + b"x" * 3_000_000 + ending

    found = list(FileSource(_file(tmp_path, content)))

    assert lines_module.MAX_LINE_BYTES > 1_000
    assert [type(entry) for entry in found[:2]] == [RawRecord, DamagedRecord]
    assert [entry.place.offset for entry in found] == list(range(1, len(found) + 1))
    assert len(found) == (3 if b"key" in ending else 2)


def test_empty_file_yields_nothing(tmp_path: Path) -> None:
    assert list(FileSource(_file(tmp_path, b""))) == []


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        list(FileSource(tmp_path / "absent"))
    with pytest.raises((ConfigurationError, StorageError), match="directory"):
        list(FileSource(tmp_path))
    with pytest.raises(ConfigurationError):
        list(FileSource(Path("a\0b")))


def test_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(_object(),))
    writer.start()

    found = list(FileSource(pipe))

    writer.join(20)
    assert len(found) == 3


def test_copy_of_a_place_without_keys(tmp_path: Path) -> None:
    kept = RawRecord(b"ada:shop", b"{}", Place("audit", 0, 7))
    record = kept._replace(key=None, is_key_kept=False)

    assert list(FileSource(_file(tmp_path, write_line(record) + write_line(kept)))) == [record, kept]
    # A line may say anything: a key that it says was not kept is not used.
    (found,) = FileSource(_file(tmp_path, b'{"key":"ada","key_kept":false,"value":"{}"}\n'))
    assert isinstance(found, RawRecord)
    assert (found.key, found.is_key_kept) == (None, False)

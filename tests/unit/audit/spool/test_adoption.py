"""Segments of dead processes: adopted once, read in order, deleted when all is settled."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.adoption import AdoptedSegment, adopt_segments
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.exceptions import FormatError
from tests.support.leftovers import leave_segment, records

TOPIC = "audit-events"


def _adopt_one(folder: Path) -> AdoptedSegment:
    (adopted,) = adopt_segments(folder, topic=TOPIC)
    return adopted


def _no_checkpoint(_segment: AdoptedSegment) -> list[SealedRecord]:
    return []


def _all(adopted: AdoptedSegment) -> list[SealedRecord]:
    return [record for chunk in adopted.records(_no_checkpoint) for record in chunk]


def test_file_is_deleted_when_all_is_settled(tmp_path: Path) -> None:
    logged = records(1_200)
    leave_segment(tmp_path, logged)
    adopted = _adopt_one(tmp_path)

    recovered = _all(adopted)
    assert [(record.sequence, record.key, record.value) for record in recovered] == [
        (record.sequence, record.key, record.value) for record in logged
    ]
    adopted.acknowledge(recovered[:-1])
    assert list(tmp_path.glob("*.spool"))
    adopted.acknowledge(recovered[-1:])

    assert list(tmp_path.iterdir()) == []


def test_adopter_dies_too_and_little_is_repeated(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(5_000))
    adopted = _adopt_one(tmp_path)
    recovered = _all(adopted)
    adopted.acknowledge(recovered[:2_500])
    adopted.close()

    again = _all(_adopt_one(tmp_path))

    assert [record.sequence for record in again] == list(range(2_500, 5_000))
    again[0].segment.close()  # type: ignore[union-attr]  # the adopted segment itself


def test_oldest_process_comes_first(tmp_path: Path) -> None:
    older, newer = records(2), records(2)
    for logged in (newer, older):
        leave_segment(tmp_path, logged)

    adopted = adopt_segments(tmp_path, topic=TOPIC)

    assert [segment.producer for segment in adopted] == [older[0].producer, newer[0].producer]
    for segment in adopted:
        segment.close()


def test_segment_of_another_topic_is_left(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(2), topic="another")

    assert adopt_segments(tmp_path, topic=TOPIC) == []

    (adopted,) = adopt_segments(tmp_path, topic="another")
    adopted.close()


def test_segment_of_another_version_is_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telemetry.audit.spool.segment.FORMAT_VERSION", 99)
        path = leave_segment(tmp_path, records(2))

    with caplog.at_level(logging.ERROR):
        assert adopt_segments(tmp_path, topic=TOPIC) == []

    assert path.exists()
    assert "another version" in caplog.text


def test_readable_part_of_damaged_segment_is_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logged = records(60, size=2_000)
    producer = logged[0].producer
    segment = SpoolSegment.create(tmp_path, producer=producer, topic=TOPIC, source="/production/shop")
    for first in range(0, 60, 10):
        segment.append(logged[first : first + 10], settled_below=0, tree=TreeState(producer, first + 10, b""))
    segment.close()
    path = segment.path
    content = bytearray(path.read_bytes())
    start = content.index(logged[25].value[:200])
    content[start + 100] ^= 0xFF
    path.write_bytes(bytes(content))

    with caplog.at_level(logging.ERROR):
        adopted = _adopt_one(tmp_path)
        recovered = _all(adopted)
        adopted.acknowledge(recovered)

    # The commit with the altered byte is lost as a whole; nothing altered is sent.
    assert [record.sequence for record in recovered] == [*range(20), *range(30, 60)]
    assert "damaged" in caplog.text
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{producer}.damaged"]
    assert adopt_segments(tmp_path, topic=TOPIC) == []


def test_damaged_segment_gets_no_closing_checkpoint(tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(3))
    log = path.with_name(path.name + "-wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 3] ^= 0xFF
    log.write_bytes(bytes(content))
    asked: list[AdoptedSegment] = []

    def ask(segment: AdoptedSegment) -> list[SealedRecord]:
        asked.append(segment)
        return []

    for adopted in adopt_segments(tmp_path, topic=TOPIC):
        list(adopted.records(ask))
        adopted.close()

    assert asked == []


def test_records_come_without_a_failing_checkpoint(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    leave_segment(tmp_path, records(3))
    adopted = _adopt_one(tmp_path)

    def fail(_segment: AdoptedSegment) -> list[SealedRecord]:
        message = "the state of the tree is malformed"
        raise FormatError(message)

    recovered = [record for chunk in adopted.records(fail) for record in chunk]

    assert len(recovered) == 3
    assert "no closing checkpoint" in caplog.text
    adopted.close()


def test_unsettled_closing_checkpoint_keeps_the_segment(tmp_path: Path) -> None:
    leave_segment(tmp_path, records(3))
    adopted = _adopt_one(tmp_path)
    checkpoint = SealedRecord.written("c", producer="p", sequence=None, key=b"p", value=b"note")

    recovered = [record for chunk in adopted.records(lambda _segment: [checkpoint]) for record in chunk]
    assert recovered[-1] is checkpoint
    adopted.acknowledge(recovered[:-1])
    assert list(tmp_path.glob("*.spool"))
    adopted.acknowledge([checkpoint])

    assert list(tmp_path.iterdir()) == []


def test_unreadable_segment_is_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "foreign.spool").write_bytes(b"rubbish" * 1_000)

    assert adopt_segments(tmp_path, topic=TOPIC) == []

    assert [entry.name for entry in tmp_path.iterdir()] == ["foreign.damaged"]
    assert "foreign.damaged" in caplog.text


@pytest.mark.parametrize(
    ("age", "left"), [(0.0, 1), (3_600.0, 0), (-3_600.0, 1)], ids=["young", "old", "of the future"]
)
def test_old_empty_file_is_deleted(tmp_path: Path, age: float, left: int) -> None:
    empty = tmp_path / "begun.spool"
    empty.touch(0o600)
    moment = time.time() - age
    os.utime(empty, (moment, moment))

    assert adopt_segments(tmp_path, topic=TOPIC) == []

    assert len(list(tmp_path.iterdir())) == left


def test_kill_between_deleting_segment_and_log(tmp_path: Path) -> None:
    for name in (
        "settled.spool-wal",
        "begun.spool-journal",
        "harmed.spool-wal",
        "harmed.damaged",
        "harmed.damaged-wal",
    ):
        (tmp_path / name).touch(0o600)

    assert adopt_segments(tmp_path, topic=TOPIC) == []

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "harmed.damaged",
        "harmed.damaged-wal",
        "harmed.spool-wal",
    ]

"""Segments of dead processes: adopted once, read in order, deleted when all is settled."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from pathlib import Path

import pytest

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.adoption import AdoptedSegment, adopt_segments
from telemetry.audit.spool.owner import Owner
from telemetry.exceptions import FormatError
from tests.support.leftovers import leave_segment, new_segment, owner, records


@pytest.fixture(params=["sealed", "plain"])
def own(request: pytest.FixtureRequest) -> Owner:
    """The service, with a storage secret and without."""
    return owner(is_sealed=request.param == "sealed")


def _adopt_one(folder: Path, own: Owner) -> AdoptedSegment:
    (adopted,) = adopt_segments(folder, own)
    return adopted


def _no_checkpoint(_segment: AdoptedSegment) -> list[SealedRecord]:
    return []


def _all(adopted: AdoptedSegment) -> list[SealedRecord]:
    return [record for chunk in adopted.records(_no_checkpoint) for record in chunk]


def test_file_is_deleted_when_all_is_settled(own: Owner, tmp_path: Path) -> None:
    logged = records(1_200)
    leave_segment(tmp_path, logged, of=own)
    adopted = _adopt_one(tmp_path, own)

    recovered = _all(adopted)
    assert [(record.sequence, record.key, record.value) for record in recovered] == [
        (record.sequence, record.key, record.value) for record in logged
    ]
    adopted.acknowledge(recovered[:-1])
    assert list(tmp_path.glob("*.spool"))
    adopted.acknowledge(recovered[-1:])

    assert list(tmp_path.iterdir()) == []


def test_adopter_dies_too_and_little_is_repeated(own: Owner, tmp_path: Path) -> None:
    leave_segment(tmp_path, records(5_000), of=own)
    adopted = _adopt_one(tmp_path, own)
    recovered = _all(adopted)
    adopted.acknowledge(recovered[:2_500])
    adopted.close()

    again = _all(_adopt_one(tmp_path, own))

    assert [record.sequence for record in again] == list(range(2_500, 5_000))
    again[0].segment.close()  # type: ignore[union-attr]  # the adopted segment itself


def test_oldest_process_comes_first(own: Owner, tmp_path: Path) -> None:
    older, newer = records(2), records(2)
    for logged in (newer, older):
        leave_segment(tmp_path, logged, of=own)

    adopted = adopt_segments(tmp_path, own)

    assert [segment.producer for segment in adopted] == [older[0].producer, newer[0].producer]
    for segment in adopted:
        segment.close()


def test_segment_of_another_topic_is_left(own: Owner, tmp_path: Path) -> None:
    leave_segment(tmp_path, records(2), topic="another", of=own)

    assert adopt_segments(tmp_path, own) == []

    (adopted,) = adopt_segments(tmp_path, own._replace(topic="another"))
    adopted.close()


def test_segment_of_another_version_is_left(own: Owner, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telemetry.audit.spool.sealing.PLAIN_VERSION", 99)
        patch.setattr("telemetry.audit.spool.sealing.SEALED_VERSION", 99)
        path = leave_segment(tmp_path, records(2), of=own)

    with caplog.at_level(logging.ERROR):
        assert adopt_segments(tmp_path, own) == []

    assert path.exists()
    assert "another version" in caplog.text


def test_readable_part_of_damaged_segment_is_sent(own: Owner, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logged = records(60, size=2_000)
    producer = logged[0].producer
    segment = new_segment(tmp_path, producer, of=own)
    for first in range(0, 60, 10):
        segment.append(logged[first : first + 10], settled_below=0, tree=TreeState(producer, first + 10, b""))
    segment.close()
    path = segment.path
    content = bytearray(path.read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as reading:
        ((stored,),) = reading.execute("SELECT records FROM batch_a WHERE first = 20")
    start = content.index(stored[1_000:1_200] if own.keys is not None else logged[25].value[:200])
    content[start + 100] ^= 0xFF
    path.write_bytes(bytes(content))

    with caplog.at_level(logging.ERROR):
        adopted = _adopt_one(tmp_path, own)
        recovered = _all(adopted)
        adopted.acknowledge(recovered)

    # The commit with the altered byte is lost as a whole; nothing altered is sent.
    assert [record.sequence for record in recovered] == [*range(20), *range(30, 60)]
    assert "damaged" in caplog.text
    assert [entry.name for entry in tmp_path.iterdir()] == [f"{producer}.damaged"]
    assert adopt_segments(tmp_path, own) == []


def test_damaged_segment_gets_no_closing_checkpoint(own: Owner, tmp_path: Path) -> None:
    path = leave_segment(tmp_path, records(3), of=own)
    log = path.with_name(path.name + "-wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 3] ^= 0xFF
    log.write_bytes(bytes(content))
    asked: list[AdoptedSegment] = []

    def ask(segment: AdoptedSegment) -> list[SealedRecord]:
        asked.append(segment)
        return []

    for adopted in adopt_segments(tmp_path, own):
        list(adopted.records(ask))
        adopted.close()

    assert asked == []


def test_records_come_without_a_failing_checkpoint(
    own: Owner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    leave_segment(tmp_path, records(3), of=own)
    adopted = _adopt_one(tmp_path, own)

    def fail(_segment: AdoptedSegment) -> list[SealedRecord]:
        message = "the state of the tree is malformed"
        raise FormatError(message)

    recovered = [record for chunk in adopted.records(fail) for record in chunk]

    assert len(recovered) == 3
    assert "no closing checkpoint" in caplog.text
    adopted.close()


def test_unsettled_closing_checkpoint_keeps_the_segment(own: Owner, tmp_path: Path) -> None:
    leave_segment(tmp_path, records(3), of=own)
    adopted = _adopt_one(tmp_path, own)
    checkpoint = SealedRecord.written("c", producer="p", sequence=None, key=b"p", value=b"note")

    recovered = [record for chunk in adopted.records(lambda _segment: [checkpoint]) for record in chunk]
    assert recovered[-1] is checkpoint
    adopted.acknowledge(recovered[:-1])
    assert list(tmp_path.glob("*.spool"))
    adopted.acknowledge([checkpoint])

    assert list(tmp_path.iterdir()) == []


def test_unreadable_segment_is_renamed(own: Owner, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "foreign.spool").write_bytes(b"rubbish" * 1_000)

    assert adopt_segments(tmp_path, own) == []

    assert [entry.name for entry in tmp_path.iterdir()] == ["foreign.damaged"]
    assert "foreign.damaged" in caplog.text


def test_earlier_damaged_segment_is_not_overwritten(
    own: Owner, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        (tmp_path / "foreign.spool").write_bytes(b"rubbish%d" % number * 1_000)
        assert adopt_segments(tmp_path, own) == []

    names = ["foreign.damaged", "foreign.2.damaged", "foreign.3.damaged"]
    assert {entry.name for entry in tmp_path.iterdir()} == {*names}
    for number, name in enumerate(names):
        assert (tmp_path / name).read_bytes().startswith(b"rubbish%d" % number)
        assert name in caplog.text


@pytest.mark.parametrize(
    ("age", "left"), [(0.0, 1), (3_600.0, 0), (-3_600.0, 1)], ids=["young", "old", "of the future"]
)
def test_old_empty_file_is_deleted(own: Owner, tmp_path: Path, age: float, left: int) -> None:
    empty = tmp_path / "begun.spool"
    empty.touch(0o600)
    moment = time.time() - age
    os.utime(empty, (moment, moment))

    assert adopt_segments(tmp_path, own) == []

    assert len(list(tmp_path.iterdir())) == left


def test_kill_between_deleting_segment_and_log(own: Owner, tmp_path: Path) -> None:
    for name in (
        "settled.spool-wal",
        "begun.spool-journal",
        "harmed.spool-wal",
        "harmed.damaged",
        "harmed.damaged-wal",
    ):
        (tmp_path / name).touch(0o600)

    assert adopt_segments(tmp_path, own) == []

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "harmed.damaged",
        "harmed.damaged-wal",
        "harmed.spool-wal",
    ]

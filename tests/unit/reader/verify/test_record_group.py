"""Records with the head of a data key and another JWE header are recognised by being fewer."""

from __future__ import annotations

from telemetry.format.value.head import parse_head
from telemetry.format.value.message import SEQUENCE
from telemetry.reader.entry import Place
from telemetry.reader.verify.record_group import MAX_SIGHTINGS, RecordGroup
from tests.support.written_trail import Process

PLACE = Place("audit-events", 0, 7)


def group_of(value: bytes) -> RecordGroup:
    return RecordGroup(parse_head(value, value.find(SEQUENCE)), value)


def values(count: int) -> list[bytes]:
    process = Process()
    return [process.log().value or b"" for _ in range(count)]


def with_another_header(value: bytes) -> bytes:
    return value.replace(b',"data":"e', b',"data":"f')


def add(group: RecordGroup, records: list[bytes], *, start: int = 0) -> None:
    for sequence, value in enumerate(records, start=start):
        group.add(sequence, value, PLACE)


def test_records_of_one_data_key_match() -> None:
    records = values(3)
    group = group_of(records[0])
    add(group, records)
    assert (group.count, group.mismatched, group.is_sealed) == (3, [], True)
    assert group.minority() == []


def test_moved_record_is_the_minority() -> None:
    records = values(3)
    group = group_of(records[0])
    add(group, [*records, with_another_header(records[0])])
    assert [sighting.sequence for sighting in group.minority()] == [3]
    assert not group.mismatches_dominate


def test_moved_first_record_is_the_minority() -> None:
    records = values(3)
    moved = with_another_header(records[0])
    group = group_of(moved)
    add(group, [moved, *records])
    assert group.mismatches_dominate
    assert [sighting.sequence for sighting in group.minority()] == [0]


def test_remembered_records_are_bounded() -> None:
    (value,) = values(1)
    group = group_of(value)
    add(group, [value] * 100)
    add(group, [with_another_header(value)] * 100)
    assert (group.count, len(group.first), len(group.mismatched)) == (100, MAX_SIGHTINGS, MAX_SIGHTINGS)

from __future__ import annotations

from telemetry.exceptions import UnknownKeysError
from telemetry.reader.entry import DamagedRecord, Place, RawRecord
from telemetry.reader.open.waiting import WaitingRecords


def refused(number: int, *, size: int = 10) -> DamagedRecord:
    place = Place("file", offset=number)
    return DamagedRecord(place, UnknownKeysError(), RawRecord(b"key", bytes(size), place))


def offsets(records: list[RawRecord] | list[DamagedRecord]) -> list[int]:
    return [record.place.offset for record in records]


def test_key_that_most_records_name_is_next() -> None:
    waiting = WaitingRecords()
    for number, data_key in enumerate((b"single", b"two", b"three", b"three", b"two", b"three", b"other")):
        assert not waiting.add(refused(number), data_key)
    assert b"two" in waiting
    taken = [offsets(waiting.take_next()) for _ in range(4)]
    assert taken == [[2, 3, 5], [1, 4], [0], [6]]
    assert not waiting
    assert waiting.take_next() == []


def test_single_records_give_way_first() -> None:
    waiting = WaitingRecords(max_records=4)
    kept = [(0, b"group"), (1, b"single"), (2, b"group"), (3, b"late")]
    assert not any(waiting.add(refused(number), data_key) for number, data_key in kept)
    assert offsets(waiting.add(refused(4), b"later")) == [1]
    assert offsets(waiting.add(refused(5), b"group")) == [3]
    assert offsets(waiting.give_up()) == [0, 2, 5, 4]


def test_smallest_group_gives_way_where_no_single_is() -> None:
    waiting = WaitingRecords(max_records=5)
    for number, data_key in enumerate((b"a", b"a", b"a", b"b", b"b")):
        waiting.add(refused(number), data_key)
    assert offsets(waiting.add(refused(5), b"a")) == [3, 4]


def test_bytes_are_bounded() -> None:
    waiting = WaitingRecords(max_bytes=100)
    assert not waiting.add(refused(0, size=60), b"a")
    assert offsets(waiting.add(refused(1, size=60), b"b")) == [0]
    assert offsets(waiting.add(refused(2, size=200), b"c")) == [1, 2]
    assert len(waiting) == 0

"""Several sources are read one after the other, and can be stopped from another thread."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.sources.joined import JoinedSource
from telemetry.reader.sources.source import describe


def record(number: int) -> RawRecord:
    return RawRecord(b"key", b"%d" % number, Place("file", None, number))


class Numbers:
    """A source that can do everything that a source can."""

    is_endless = True

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers
        self.stopped = False

    def __iter__(self) -> Iterator[RawRecord]:
        return map(record, self._numbers)

    def describe(self) -> dict[str, object]:
        return {"kind": "numbers", "count": len(self._numbers)}

    def stop(self) -> None:
        self.stopped = True


def test_sources_are_read_in_their_order() -> None:
    joined = JoinedSource(([record(1), record(2)], Numbers(3), [record(4)]))
    assert list(joined) == [record(1), record(2), record(3), record(4)]


def test_stop_begins_no_further_source() -> None:
    numbers = Numbers(3)
    joined = JoinedSource(([record(1), record(2)], numbers))
    records = iter(joined)
    assert next(records).place == record(1).place
    joined.stop()
    assert [each.place for each in records] == [record(2).place]
    assert numbers.stopped


def test_one_endless_source_makes_all_endless() -> None:
    assert JoinedSource(([], Numbers())).is_endless
    assert not JoinedSource(([], [record(1)])).is_endless


def test_plain_iterable_is_described_by_its_class() -> None:
    assert describe([record(1)]) == {"kind": "list"}
    assert describe(Numbers(1, 2)) == {"kind": "numbers", "count": 2}

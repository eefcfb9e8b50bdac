"""Records of several partitions come in the order in which they arrived, in bounded memory."""

from __future__ import annotations

import random
import time

import pytest

from telemetry.reader.sources.arrangement import Fetched
from telemetry.reader.sources.fetch.fetcher import BadRange
from telemetry.reader.sources.fetch.frames import FetchedRecord, Records
from telemetry.reader.sources.partition_merge import PartitionMerge


def record(partition: int, offset: int, timestamp: float, *, size: int = 1) -> FetchedRecord:
    return partition, offset, 1, timestamp, None, bytes(size), None


def fetched(*records: FetchedRecord, **positions: int) -> Records:
    after = {each[0]: each[1] + 1 for each in records}
    return Records(list(records), after | {int(name[1:]): position for name, position in positions.items()})


def places(passed: list[Fetched]) -> list[tuple[int, int]]:
    return [(one.partition, one.first) if isinstance(one, BadRange) else one[:2] for one in passed]


def take(merge: PartitionMerge) -> list[tuple[int, int]]:
    return places(list(merge.ready()))


def test_order_of_arrival_over_partitions() -> None:
    merge = PartitionMerge({0: (0, 2), 1: (0, 2)})
    merge.add(fetched(record(0, 0, 10.0), record(0, 1, 30.0)))
    assert take(merge) == []
    merge.add(fetched(record(1, 0, 20.0), record(1, 1, 40.0)))
    assert take(merge) == [(0, 0), (1, 0), (0, 1), (1, 1)]


def test_same_order_however_it_is_fetched() -> None:
    chance = random.Random(5)  # noqa: S311 - the same records in each run
    streams = {
        partition: [record(partition, offset, float(chance.randrange(50))) for offset in range(40)]
        for partition in range(4)
    }
    orders = []
    for _ in range(20):
        merge = PartitionMerge(dict.fromkeys(streams, (0, 40)))
        left = {partition: list(records) for partition, records in streams.items()}
        passed: list[tuple[int, int]] = []
        while left:
            partition = chance.choice(sorted(left))
            count = chance.randrange(1, 9)
            part, left[partition] = left[partition][:count], left[partition][count:]
            if not left[partition]:
                del left[partition]
            merge.add(fetched(*part))
            passed += take(merge)
        orders.append(passed)

    assert len(orders[0]) == 160
    assert all(order == orders[0] for order in orders)
    for partition in streams:
        assert [place for place in orders[0] if place[0] == partition] == [(partition, offset) for offset in range(40)]


def test_partition_at_its_end_keeps_nothing_back() -> None:
    merge = PartitionMerge({0: (0, 3), 1: (7, 7), 2: (4, 6)})
    merge.add(fetched(record(0, 0, 1.0)))
    assert take(merge) == []
    # The end of a partition whose last offsets are no records.
    merge.add(fetched(p2=6))
    assert take(merge) == [(0, 0)]


def test_earlier_time_stays_after_its_predecessor() -> None:
    merge = PartitionMerge({0: (0, 3), 1: (0, 1)})
    merge.add(fetched(record(0, 0, 10.0), record(0, 1, 2.0), record(0, 2, 12.0), record(1, 0, 5.0)))
    assert take(merge) == [(1, 0), (0, 0), (0, 1), (0, 2)]


def test_time_in_the_future_moves_nothing() -> None:
    now = time.time()
    merge = PartitionMerge({0: (0, 3), 1: (0, 1)})
    merge.add(fetched(record(0, 0, now - 30), record(0, 1, now + 86_400 * 365), record(0, 2, now - 20)))
    merge.add(fetched(record(1, 0, now - 10)))
    assert take(merge) == [(0, 0), (0, 1), (0, 2), (1, 0)]


def test_bad_range_keeps_its_place() -> None:
    merge = PartitionMerge({0: (0, 4), 1: (0, 1)})
    merge.add(fetched(record(0, 0, 10.0), record(1, 0, 11.0)))
    merge.add(BadRange(0, 1, 3, "broken"))
    merge.add(fetched(record(0, 3, 12.0)))
    assert take(merge) == [(0, 0), (0, 1), (1, 0), (0, 3)]


def test_partition_ahead_is_held_until_used() -> None:
    merge = PartitionMerge({0: (0, 2_000), 1: (0, 1)}, crowd=1 << 20)
    merge.add(fetched(*[record(0, offset, 1.0, size=1_000) for offset in range(600)]))
    assert merge.crowded() == {0}
    merge.add(fetched(record(1, 0, 2.0)))
    assert len(take(merge)) == 600
    assert merge.crowded() == set()


def test_positions_follow_what_was_passed_on() -> None:
    merge = PartitionMerge({0: (0, 5), 1: (0, 5)})
    merge.add(fetched(record(0, 0, 1.0), record(0, 1, 3.0)))
    assert merge.positions() == {0: 0}
    merge.add(fetched(record(1, 0, 2.0)))
    assert take(merge) == [(0, 0), (1, 0)]
    assert merge.positions() == {0: 1, 1: 1}
    merge.add(fetched(p1=5))
    assert take(merge) == [(0, 1)]
    assert merge.positions() == {0: 2, 1: 5}


def test_new_record_waits_for_the_window_only(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])
    merge = PartitionMerge({0: (3, 3), 1: (2, 2)}, window=0.5)
    merge.add(fetched(record(0, 3, 20.0)))
    assert take(merge) == []
    moment[0] += 0.4
    merge.add(fetched(record(1, 2, 10.0)))
    assert take(merge) == [(1, 2)]
    moment[0] += 0.2
    assert take(merge) == [(0, 3)]

"""A consumer group continues after the records that were used, and skips none that was kept back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import pytest

from telemetry.reader import Place, RawRecord
from telemetry.reader.sources.group_offsets import GroupOffsets
from telemetry.reader.sources.topic_client import TopicClient


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Client:
    """Remembers what was committed."""

    def __init__(self) -> None:
        self.committed: dict[int, int] = {}
        self.commits = 0

    def commit(self, offsets: Mapping[int, int], *, waits: bool = False) -> None:
        self.committed.update(offsets)
        self.commits += not waits


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> Client:
    return Client()


def begun(client: Client, clock: Clock) -> GroupOffsets:
    offsets = GroupOffsets(cast("TopicClient", client), clock=clock)
    offsets.begin({0: 10, 1: 0})
    clock.now += 60
    return offsets


def records(places: Iterable[tuple[int, int]]) -> list[RawRecord]:
    return [RawRecord(None, b"", Place("topic", *place)) for place in places]


def test_begin_is_committed_in_every_partition(client: Client, clock: Clock) -> None:
    begun(client, clock)
    assert client.committed == {0: 10, 1: 0}


def test_record_counts_when_the_next_is_asked_for(client: Client, clock: Clock) -> None:
    watched = begun(client, clock).watch(records([(0, 10), (0, 11), (1, 0)]))
    next(watched)
    assert client.committed == {0: 10, 1: 0}
    next(watched)
    assert client.committed == {0: 11, 1: 0}
    clock.now += 60
    next(watched)
    assert client.committed == {0: 12, 1: 0}


def test_record_kept_back_is_not_skipped(client: Client, clock: Clock) -> None:
    offsets = begun(client, clock)
    offsets.await_done()
    read = list(offsets.watch(records([(0, 10), (0, 11), (0, 12), (1, 0)])))
    for record in (read[1], read[3], read[2]):
        offsets.done(record.place)
        clock.now += 60
    offsets.end()
    assert client.committed == {0: 10, 1: 1}
    offsets.done(read[0].place)
    offsets.end()
    assert client.committed == {0: 13, 1: 1}


def test_positions_beyond_the_last_record(client: Client, clock: Clock) -> None:
    offsets = begun(client, clock)
    offsets.await_done()
    (record,) = offsets.watch(records([(0, 10)]))
    offsets.reached({0: 14, 1: 0})
    assert client.committed == {0: 10, 1: 0}
    offsets.done(record.place)
    offsets.end()
    assert client.committed == {0: 14, 1: 0}


def test_commits_are_few(client: Client, clock: Clock) -> None:
    offsets = begun(client, clock)
    offsets.await_done()
    read = list(offsets.watch(records((1, offset) for offset in range(10_000))))
    for record in read:
        offsets.done(record.place)
        clock.now += 0.001
    assert 9 <= client.commits <= 11
    offsets.end()
    assert client.committed == {0: 10, 1: 10_000}


def test_quiet_topic_is_committed_soon(client: Client, clock: Clock) -> None:
    offsets = begun(client, clock)
    offsets.await_done()
    for record in offsets.watch(records([(1, 0), (1, 1)])):
        offsets.done(record.place)
    assert client.committed == {0: 10, 1: 1}
    clock.now += 0.2
    offsets.reached({})
    assert client.committed == {0: 10, 1: 2}
    offsets.reached({})
    assert client.commits == 2


def test_entry_that_is_reported_twice(client: Client, clock: Clock) -> None:
    offsets = begun(client, clock)
    offsets.await_done()
    first, second = offsets.watch(records([(1, 0), (1, 1)]))
    offsets.done(first.place)
    offsets.done(first.place)
    clock.now += 0.2
    offsets.reached({})
    offsets.end()
    assert client.committed == {0: 10, 1: 1}
    offsets.done(second.place)
    offsets.end()
    assert client.committed == {0: 10, 1: 2}

"""Others search while one thread adds, judges and lets events give way: every answer is one that was true at a moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.search import Search
from telemetry.explorer.index.store import shelf
from telemetry.reader.entry import Proven
from telemetry.reader.filters import EventFilter
from tests.support.index_entries import an_event, opened

BATCHES, BATCH = 60, 25


def test_searches_beside_a_filling_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "SEGMENT_ROWS", 64)
    index = EventIndex(most=1_000)
    has_ended = threading.Event()

    def fill() -> None:
        for batch in range(BATCHES):
            # Out of order, and not proven at first.
            start = (batch * 7 % BATCHES) * BATCH
            events = [an_event(n, user_id=f"user-{n % 3}") for n in range(start, start + BATCH)]
            index.add([opened(event, proven=Proven.PENDING) for event in events])
            index.judge(lambda *_: (Proven.YES, None))
        has_ended.set()

    def look() -> int:
        looks = 0
        search = Search(wanted=EventFilter(users=frozenset({"user-1"})))
        while not has_ended.is_set() or not looks:
            found = index.search(search, with_content=True, limit=50)
            numbers = [row.sequence for row in found.rows]
            assert numbers == sorted(numbers, reverse=True)
            assert all(number % 3 == 1 for number in numbers)
            assert found.total >= len(numbers)
            assert all(each.event is not None for each in index.events(found.rows[:0], with_content=True))
            counts = index.counts(Search(), with_content=True, most=5)
            assert sum(count for _, count in counts.users.top) == counts.total <= 1_000
            assert index.overview(with_content=True).events <= 1_000
            looks += 1
        return looks

    with ThreadPoolExecutor(5) as threads:
        lookers = [threads.submit(look) for _ in range(4)]
        threads.submit(fill).result()
        assert all(each.result() for each in lookers)
    assert index.state.indexed <= 1_000
    assert {row.proven for row in index.search(Search(), with_content=True, limit=1_000).rows} == {Proven.YES}

from __future__ import annotations

import threading

from telemetry.encryption.fetch_threads import FetchThreads
from tests.support.until import until


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "telemetry-keys"}


def test_requests_run_in_few_threads() -> None:
    # Those of other tests may end meanwhile.
    before, gate, done = _threads(), threading.Event(), list[int]()
    threads = FetchThreads(3)
    most = 0

    def fetch(number: int) -> None:
        nonlocal most
        most = max(most, len(_threads() - before))
        assert gate.wait(60)
        done.append(number)

    for number in range(50):
        threads.start(lambda number=number: fetch(number))  # type: ignore[misc]
    until(lambda: len(_threads() - before) == 3)
    gate.set()

    until(lambda: len(done) == 50)
    assert sorted(done) == [*range(50)]
    assert most == 3
    threads.close()
    until(lambda: not _threads() - before, what="the end of the threads")


def test_request_that_waits_occupies_no_thread() -> None:
    threads = FetchThreads(1)
    done = threading.Event()
    for _ in range(10):
        threads.start(lambda: None, after=600.0)

    threads.start(done.set)

    assert done.wait(60)
    threads.close()


def test_requests_run_when_they_are_due() -> None:
    threads, order = FetchThreads(1), list[str]()
    threads.start(lambda: order.append("late"), after=0.2)
    threads.start(lambda: order.append("soon"))

    until(lambda: order == ["soon", "late"])
    threads.close()


def test_hanging_request_leaves_the_other_threads() -> None:
    threads, hanging, done = FetchThreads(2), threading.Event(), threading.Event()
    threads.start(lambda: hanging.wait(60))
    threads.start(done.set)

    assert done.wait(60)
    hanging.set()
    threads.close()


def test_nothing_begins_after_close() -> None:
    threads, begun = FetchThreads(1), threading.Event()
    threads.start(begun.set, after=0.05)
    threads.close()
    threads.start(begun.set)

    assert not begun.wait(0.2)

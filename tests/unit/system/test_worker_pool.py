"""A pool runs calls side by side, gives back results and errors, and keeps no program from ending."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from telemetry.system.worker_pool import WorkerPool
from tests.support.until import PATIENCE


def test_results_and_errors_come_back() -> None:
    with WorkerPool(2, name="test") as pool:
        good = pool.submit(int, "12", base=8)
        bad = pool.submit(int, "x")

        assert good.result(PATIENCE) == 10
        with pytest.raises(ValueError, match="invalid literal"):
            bad.result(PATIENCE)
        assert pool.submit(int, "1").result(PATIENCE) == 1, "an error must not end the thread"


def test_one_call_for_each_thread() -> None:
    barrier = threading.Barrier(3)
    with WorkerPool(3, name="test") as pool:
        calls = [pool.submit(barrier.wait, PATIENCE) for _ in range(3)]

        assert sorted(call.result(PATIENCE) for call in calls) == [0, 1, 2]


def test_one_thread_keeps_the_order() -> None:
    order: list[int] = []
    with WorkerPool(1, name="test") as pool:
        calls = [pool.submit(order.append, number) for number in range(100)]
        for call in calls:
            call.result(PATIENCE)

    assert order == list(range(100))


def test_threads_are_started_on_demand() -> None:
    with WorkerPool(8, name="on-demand") as pool:
        assert _threads("on-demand") == []
        names = {pool.submit(lambda: threading.current_thread().name).result(PATIENCE)}
        assert names == {"on-demand-0"}
        assert len(_threads("on-demand")) == 1


def test_close_finishes_what_was_submitted() -> None:
    pool = WorkerPool(2, name="closing")
    calls = [pool.submit(str, number) for number in range(20)]
    threads = _threads("closing")
    pool.close()
    pool.close()

    assert [call.result(PATIENCE) for call in calls] == [str(number) for number in range(20)]
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_hanging_call_does_not_keep_the_program() -> None:
    script = (
        "import threading; from telemetry.system.worker_pool import WorkerPool\n"
        "with WorkerPool(1, name='hangs') as pool: pool.submit(threading.Event().wait)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=PATIENCE, env=environment)


def _threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]

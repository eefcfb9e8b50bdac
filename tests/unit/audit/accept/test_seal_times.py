"""The time that sealing takes is counted over all streams, and each second of it is reported once."""

from __future__ import annotations

import threading
from typing import cast

import pytest

from telemetry.audit.accept.seal_times import SealTimes
from telemetry.exceptions import BackpressureError
from tests.support.accepting_parts import AcceptingParts, accepting_config


def test_times_are_added_up_and_taken_once() -> None:
    lock = threading.Lock()
    times = SealTimes(lock)
    with lock:
        times.add(0.5)
        times.add(0.25)

    assert times.take_seal_time() == (0.75, 2)
    assert times.take_seal_time() == (0.0, 0)
    with lock:
        times.add(2.0)
    assert times.take_seal_time() == (2.0, 1)


class BusyLock:
    """The intakes' lock, while another thread has it before and after each caller: it seals an event each time."""

    def __init__(self) -> None:
        self.times = SealTimes(cast("threading.Lock", self))

    def __enter__(self) -> None:
        self.times.add(1.0)

    def __exit__(self, *_details: object) -> None:
        self.times.add(4.0)


def test_events_before_and_after_the_lock_are_counted_once() -> None:
    times = BusyLock().times

    assert times.take_seal_time() == (1.0, 1)
    assert times.take_seal_time() == (5.0, 2)


@pytest.mark.parametrize("events", [1, 8, 9, 17])
def test_every_eighth_event_of_each_stream_is_timed(events: int) -> None:
    parts = AcceptingParts(accepting_config(shared={}))
    for _ in range(events):
        parts.log()
        parts.log_for("payments")

    seconds, timed = parts.streaming.times.take_seal_time()

    assert timed == 2 * -(-events // 8)
    assert seconds > 0


def test_refused_event_is_not_timed() -> None:
    parts = AcceptingParts(accepting_config(queue_max_events=1, queue_full_timeout_ms=0))
    parts.log()
    with pytest.raises(BackpressureError):
        parts.log()

    assert parts.streaming.times.take_seal_time()[1] == 1

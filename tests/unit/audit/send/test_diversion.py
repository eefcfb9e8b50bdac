from __future__ import annotations

import threading

import pytest

from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.diversion import Diversion
from tests.support.until import until


class Bench:
    """A diversion and the batcher that it wakes."""

    def __init__(self) -> None:
        self.batcher = AuditBatcher(lock=threading.Lock(), max_bytes=1, max_delay=60.0)
        self.diversion = Diversion(self.batcher, longest_pause=3_600.0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_no_return_before_kafka_is_ready(bench: Bench) -> None:
    bench.diversion.begin("unreachable")

    assert not bench.diversion.take_return()
    bench.diversion.kafka_is_ready()
    assert bench.diversion.take_return()
    assert bench.diversion.reason == "unreachable"


def test_one_notice_allows_one_return(bench: Bench) -> None:
    bench.diversion.begin("unreachable")
    bench.diversion.kafka_is_ready()

    assert [bench.diversion.take_return() for _ in range(2)] == [True, False]


def test_notice_before_a_diversion_is_void(bench: Bench) -> None:
    bench.diversion.kafka_is_ready()
    bench.diversion.begin("unreachable")

    assert not bench.diversion.take_return()


def test_notice_wakes_the_sender(bench: Bench) -> None:
    taken: list[object] = []
    waiting = threading.Thread(target=lambda: taken.append(bench.batcher.take(60.0)))
    waiting.start()

    bench.diversion.kafka_is_ready()

    waiting.join(30)
    assert taken == [[]]


def test_kafka_that_accepts_nothing_is_left_alone(bench: Bench) -> None:
    for _ in range(14):
        bench.diversion.begin("too_large", kafka_accepts=False)
    bench.diversion.kafka_is_ready()

    # The pause is at least half an hour by now.
    assert not bench.diversion.take_return()

    bench.diversion.begin("unreachable", kafka_accepts=True)
    bench.diversion.kafka_is_ready()
    assert bench.diversion.take_return()


def test_pause_ends_without_a_second_notice() -> None:
    diversion = Diversion(AuditBatcher(lock=threading.Lock(), max_bytes=1, max_delay=60.0), longest_pause=0.05)
    diversion.begin("too_large", kafka_accepts=False)
    diversion.kafka_is_ready()

    until(diversion.take_return)

from __future__ import annotations

import threading

from telemetry.system.deadline import Deadline


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_remaining_counts_down_to_zero() -> None:
    clock = Clock()
    deadline = Deadline(2.0, clock=clock)
    assert (deadline.remaining, deadline.is_over) == (2.0, False)

    clock.now += 1.5
    assert (deadline.remaining, deadline.is_over) == (0.5, False)

    clock.now += 5
    assert (deadline.remaining, deadline.is_over) == (0.0, True)


def test_negative_limit_is_over_at_once() -> None:
    assert Deadline(-1.0, clock=Clock()).is_over


def test_wait_ends_when_the_condition_is_met() -> None:
    condition = threading.Condition()
    done: list[bool] = []

    def finish() -> None:
        with condition:
            done.append(True)
            condition.notify_all()

    with condition:
        threading.Thread(target=finish).start()
        assert Deadline(60.0).wait_for(condition, lambda: bool(done))


def test_wait_sees_a_change_that_notifies_nobody() -> None:
    condition = threading.Condition()
    asked: list[int] = []

    def is_met() -> bool:
        asked.append(len(asked))
        return len(asked) > 2

    with condition:
        assert Deadline(60.0).wait_for(condition, is_met, tick=0.001)


def test_wait_gives_up_when_the_time_is_over() -> None:
    condition = threading.Condition()
    with condition:
        assert not Deadline(0.01).wait_for(condition, lambda: False, tick=0.001)

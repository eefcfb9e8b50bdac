from __future__ import annotations

import pytest

from telemetry.gateway.caller import Caller
from telemetry.gateway.identities.quotas import Quotas


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def caller(rate: float | None, service: str = "a") -> Caller:
    return Caller("token:1", service, "token", rate)


def test_without_a_quota_everything_is_taken() -> None:
    assert Quotas().wait_for(caller(None), 1_000_000) == 0


def test_what_is_taken_too_much_is_waited_for(clock: Clock) -> None:
    quotas = Quotas(clock)

    assert quotas.wait_for(caller(10), 25) == 0  # 10 were there, 15 are owed
    assert quotas.wait_for(caller(10), 1) == pytest.approx(1.6)
    clock.now += 1.61
    assert quotas.wait_for(caller(10), 1) == 0


def test_the_rate_over_time_is_the_quota(clock: Clock) -> None:
    quotas, taken = Quotas(clock), 0
    for _ in range(10_000):
        clock.now += 0.01
        taken += 7 if quotas.wait_for(caller(50), 7) == 0 else 0

    assert taken / 100 == pytest.approx(50, rel=0.03)


def test_one_identity_does_not_use_the_quota_of_another(clock: Clock) -> None:
    quotas = Quotas(clock)

    quotas.wait_for(caller(1), 1_000)

    assert quotas.wait_for(caller(1), 1) > 0
    assert quotas.wait_for(caller(1, "b"), 1) == 0


def test_a_slow_quota_lets_one_event_pass(clock: Clock) -> None:
    assert Quotas(clock).wait_for(caller(0.001), 1) == 0


def test_a_rest_does_not_save_up(clock: Clock) -> None:
    quotas = Quotas(clock)
    quotas.wait_for(caller(10), 1)
    clock.now += 3_600

    assert quotas.wait_for(caller(10), 11) == 0
    assert quotas.wait_for(caller(10), 1) > 0

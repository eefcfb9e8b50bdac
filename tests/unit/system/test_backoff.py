"""Waits grow, stay within their bounds, and begin again after a success."""

from __future__ import annotations

from telemetry.system.backoff import Backoff


def _upper(_low: float, high: float) -> float:
    return high


def _lower(low: float, _high: float) -> float:
    return low


def test_bound_doubles_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=10.0, uniform=_upper)

    assert [backoff.next() for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_wait_is_half_its_bound_or_more() -> None:
    backoff = Backoff(first=0.5, longest=10.0, uniform=_lower)

    assert [backoff.next() for _ in range(6)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0]


def test_jitter_differs() -> None:
    backoffs = [Backoff(first=1.0, longest=1.0) for _ in range(20)]
    waits = [backoff.next() for backoff in backoffs]

    assert len(set(waits)) > 1
    assert all(0.5 <= wait <= 1.0 for wait in waits)


def test_reset_begins_again() -> None:
    backoff = Backoff(first=0.5, longest=10.0, uniform=_upper)
    assert backoff.is_first
    assert not backoff.reset(), "nothing had failed"
    backoff.next()
    backoff.next()
    assert not backoff.is_first

    assert backoff.reset()

    assert backoff.is_first
    assert backoff.next() == 0.5


def test_very_many_failures() -> None:
    backoff = Backoff(first=0.5, longest=10.0, uniform=_upper)
    waits = [backoff.next() for _ in range(5_000)]

    assert waits[-1] == 10.0

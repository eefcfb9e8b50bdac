from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import BackpressureError
from telemetry.gateway.refused_calls import DENIED, MALFORMED, RefusedCall, RefusedCalls


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def log(self, event_type: str, payload: dict[str, Any], user_id: str, **fields: Any) -> None:
        if self.error is not None:
            raise self.error
        assert fields.pop("wait_for") == "offered"
        self.events.append({"type": str(event_type), "user": user_id, **payload, **fields})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def refused(log: Log, clock: Clock) -> RefusedCalls:
    return RefusedCalls(log, per_minute=3, clock=clock)  # type: ignore[arg-type]


def call(number: int = 0, reason: str = "unknown_token") -> RefusedCall:
    return RefusedCall(DENIED, f"token:{number}", "", "203.0.113.7", reason)


def test_the_first_is_logged_at_once(refused: RefusedCalls, log: Log) -> None:
    refused.add(call(7))
    refused.add(RefusedCall(MALFORMED, "a.example", "a", "", "bad_json"))

    assert log.events == [
        {
            "type": "telemetry.gateway_denied",
            "user": "token:7",
            "reason": "unknown_token",
            "count": 1,
            "left_out": 0,
            "ip_address": "203.0.113.7",
            "outcome": "denied",
            "unfit": "repr",
        },
        {
            "type": "telemetry.gateway_malformed",
            "user": "a.example",
            "reason": "bad_json",
            "count": 1,
            "left_out": 0,
            "service": "a",
            "ip_address": None,
            "outcome": "failure",
            "unfit": "repr",
        },
    ]


def test_those_that_follow_are_one_event_a_minute(refused: RefusedCalls, log: Log, clock: Clock) -> None:
    for _ in range(1_000):
        refused.add(call())
        refused.tick()
    clock.now = 60
    refused.tick()
    clock.now = 120
    refused.tick()

    assert [event["count"] for event in log.events] == [1, 999]


def test_a_flood_from_many_places_is_cut_and_counted(refused: RefusedCalls, log: Log, clock: Clock) -> None:
    for number in range(5_000):
        refused.add(call(number))
    assert len(log.events) == 3
    clock.now = 60
    refused.tick()
    refused.add(call(1))

    assert sum(event["count"] for event in log.events) + sum(event["left_out"] for event in log.events) == 5_001
    assert len(log.events) == 4


def test_what_the_last_minute_does_not_admit_is_said(refused: RefusedCalls, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10):
        refused.add(call(number))
    refused.end()

    assert "7 refused calls are in no event" in caplog.text


def test_nothing_is_counted_twice_at_the_end(refused: RefusedCalls, log: Log) -> None:
    for _ in range(3):
        refused.add(call())
    refused.flush()
    refused.flush()

    assert [event["count"] for event in log.events] == [1, 2]


def test_what_cannot_be_logged_is_left_out(refused: RefusedCalls, log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.error = BackpressureError("the queue is full")
    refused.add(call(1))
    log.error = None
    refused.add(call(2))

    assert [(event["count"], event["left_out"]) for event in log.events] == [(1, 1)]
    assert "a refused call could not be logged" in caplog.text


def test_nobody_has_the_user_unknown(refused: RefusedCalls, log: Log) -> None:
    refused.add(RefusedCall(DENIED, "", "", "", "no_credentials"))

    assert log.events[0]["user"] == "unknown"

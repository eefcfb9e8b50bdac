from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from telemetry.audit.receipt import ACCEPTED, DELIVERED, DURABLE, Receipt, mark_stored, mark_unsent, reached
from telemetry.exceptions import (
    BackpressureError,
    EventError,
    EventTooLargeError,
    KeyUnreachableError,
    LifecycleError,
    StorageFullError,
    TelemetryError,
    UndeliveredError,
)
from telemetry.gateway.submission.event_call import EventCall, RefusedEvent
from telemetry.gateway.submission.submit import Wait, refusal_of, submit, wait_of
from tests.support.gateway.receipts import ListedLog

PATIENT = Wait(ACCEPTED, 60.0)


def _calls(count: int) -> Iterator[EventCall]:
    return (EventCall("order", number, "ada", {"reason": "r"}) for number in range(count))


def _levels(results: list[Receipt | RefusedEvent]) -> list[Any]:
    return [result.status if isinstance(result, RefusedEvent) else reached(result) for result in results]


async def test_events_are_offered_in_their_order() -> None:
    log = ListedLog()
    results = await submit(log, _calls(120), wait=PATIENT)
    assert [payload for _, payload, _, _ in log.calls] == list(range(120))
    assert log.calls[0] == ("order", 0, "ada", {"reason": "r"})
    assert _levels(results) == ["accepted"] * 120


async def test_other_requests_have_their_turn_between_events() -> None:
    log, turns = ListedLog(), []

    async def other() -> None:
        while True:
            turns.append(log.offered)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await submit(log, _calls(1_000), wait=PATIENT)
    task.cancel()
    assert len(turns) >= 20


async def test_a_wrong_event_refuses_no_other() -> None:
    log = ListedLog(errors={1: EventError("outcome must be one of ...")})
    calls: list[EventCall | RefusedEvent] = [
        EventCall("a", 1, "u", {}),
        EventCall("b", 2, "u", {}),
        RefusedEvent(422, "no"),
        EventCall("c", 3, "u", {}),
    ]
    results = await submit(log, calls, wait=PATIENT)
    assert _levels(results) == ["accepted", 422, 422, "accepted"]


async def test_nothing_is_offered_after_a_full_queue() -> None:
    log = ListedLog(errors={2: BackpressureError("full")})
    results = await submit(log, _calls(5), wait=PATIENT)
    assert _levels(results) == ["accepted", "accepted", 429, 429, 429]
    assert log.offered == 3
    assert "order" in results[4].reason  # type: ignore[union-attr]


async def test_wait_ends_when_all_have_reached_the_level() -> None:
    log = ListedLog()
    task = asyncio.create_task(submit(log, _calls(3), wait=Wait(DURABLE, 60.0)))
    await log.has_offered(3)
    log.settle(DURABLE, 2, 0)
    await asyncio.sleep(0)
    assert not task.done()
    log.settle(DELIVERED, 1)
    assert _levels(await task) == ["durable", "delivered", "durable"]


async def test_time_is_over_before_the_level_is_reached() -> None:
    log = ListedLog(delivered={0})
    results = await submit(log, _calls(3), wait=Wait(DELIVERED, 0.01))
    assert _levels(results) == ["delivered", "accepted", "accepted"]


async def test_level_of_the_configuration_is_waited_for_too() -> None:
    log = ListedLog(asked=DURABLE)
    task = asyncio.create_task(submit(log, _calls(1), wait=PATIENT))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not task.done()
    log.settle(DURABLE, 0)
    assert _levels(await task) == ["durable"]


async def test_event_that_finds_no_room_in_time_is_not_acknowledged() -> None:
    log = ListedLog(is_full=True)
    (result,) = await submit(log, _calls(1), wait=Wait(ACCEPTED, 0.01))
    assert isinstance(result, RefusedEvent)
    assert (result.status, result.retry_after) == (503, 1)
    assert "Idempotency-Key" in result.reason


async def test_event_that_fails_later_is_said() -> None:
    log = ListedLog()
    task = asyncio.create_task(submit(log, _calls(2), wait=Wait(DELIVERED, 60.0)))
    await log.has_offered(2)
    log.fail(UndeliveredError("nowhere"), 0)
    log.settle(DELIVERED, 1)
    assert _levels(await task) == [503, "delivered"]


async def test_event_in_the_spool_that_fails_later_is_durable() -> None:
    log = ListedLog()
    task = asyncio.create_task(submit(log, _calls(1), wait=Wait(DELIVERED, 60.0)))
    await log.has_offered(1)
    log.settle(DURABLE, 0)
    log.fail(StorageFullError("full"), 0)
    assert _levels(await task) == ["durable"]


def test_level_of_each_place() -> None:
    stored, unsent = Receipt("id"), Receipt("id")
    mark_stored(stored, "object")
    mark_unsent(unsent)
    assert (reached(stored), reached(unsent)) == ("stored", "unsent")


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (EventError("x"), 422, None),
        (EventTooLargeError("x"), 413, None),
        (BackpressureError("x"), 429, 1),
        (KeyUnreachableError("https://kms.internal/secret-name"), 503, 5),
        (LifecycleError("x"), 503, 5),
        (StorageFullError("x"), 503, 5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_status_of_each_error(error: TelemetryError, status: int, retry_after: int | None) -> None:
    refused = refusal_of(error)
    assert (refused.status, refused.retry_after) == (status, retry_after)
    assert "kms" not in refused.reason


def test_wait_is_the_shorter_one() -> None:
    assert wait_of("durable", 5, longest=30.0) == Wait(DURABLE, 5)
    assert wait_of("delivered", 500, longest=30.0) == Wait(DELIVERED, 30.0)
    assert wait_of(None, None, longest=30.0) == Wait(ACCEPTED, 30.0)

"""Offers the events of a request in their order, without a task for each, and waits once for the level of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import NamedTuple, Protocol

from telemetry.audit.receipt import ACCEPTED, LEVELS, Receipt, reached, unreached, wait_until
from telemetry.exceptions import (
    BackpressureError,
    EncryptionError,
    EventError,
    EventTooLargeError,
    LifecycleError,
    TelemetryError,
)
from telemetry.gateway.submission.event_call import EventCall, RefusedEvent

_EVENTS_IN_A_ROW = 50
_SECONDS_IN_A_ROW = 0.002
"""Events that are offered before other requests have their turn, and the time for them where they are large."""

_FULL_SECONDS, _AWAY_SECONDS = 1, 5
_FULL = "the gateway has no room for more events of this service; send it again later"
_NO_KEY = "the gateway has no data key for this service now; send it again later"
_ENDING = "the gateway is shutting down; send it again, to another one if there is one"
_LOST = "the event was accepted and could be kept nowhere; send it again later"
_WAITING = (
    "the event waits for room or a data key, and may still be logged; send it again later, with the same "
    "Idempotency-Key or id, so that readers show it once"
)
_NOT_OFFERED = "an event before it was not accepted, and the order of a request is kept; send it again later"


class EventLog(Protocol):
    """The part of ``telemetry.audit`` that is used here."""

    @property
    def log(self) -> Callable[..., Receipt]:
        """Logs an event; in a thread with a running event loop it never blocks."""


class Wait(NamedTuple):
    """What an answer waits for.

    Attributes:
        level: Level that the caller prefers: ``ACCEPTED``, ``DURABLE`` or ``DELIVERED``.
        seconds: How long at most.
    """

    level: int
    seconds: float


def wait_of(level: str | None, seconds: float | None, *, longest: float) -> Wait:
    """Return what to wait for.

    Args:
        level: Name of the level that the caller prefers, if any.
        seconds: How long it would wait, if it says so.
        longest: Seconds that any answer may take.
    """
    return Wait(LEVELS[level] if level else ACCEPTED, longest if seconds is None else min(seconds, longest))


async def submit(
    audit: EventLog, calls: Iterable[EventCall | RefusedEvent], *, wait: Wait
) -> list[Receipt | RefusedEvent]:
    """Log the events of a request.

    They are offered in their order. After the first one that finds no room or no key none is offered: those that follow
    would come before it when it is sent again. Each event waits at least for the level that the configuration or its type
    asks for.

    Args:
        audit: Logs them, in the stream of the caller's service.
        calls: The events; an iterator may create each one when it is asked for.
        wait: What to wait for when all are offered; what is not reached in time is said, and no error.

    Returns:
        For each event its receipt, which is accepted at least, or why it was not logged; never more than was reached.
    """
    return await settled(await offer(audit, calls), wait=wait)


async def settled(results: list[Receipt | RefusedEvent], *, wait: Wait) -> list[Receipt | RefusedEvent]:
    """Wait for events that were offered, and return what is said about each; see :func:`submit`."""
    await _wait_for(results, wait)
    return [_judged(result) for result in results]


async def offer(audit: EventLog, calls: Iterable[EventCall | RefusedEvent]) -> list[Receipt | RefusedEvent]:
    """Log the events of a request in their order, and wait for none; see :func:`submit`."""
    results: list[Receipt | RefusedEvent] = []
    stopped: RefusedEvent | None = None
    log = audit.log
    began = perf_counter()
    for count, call in enumerate(calls, 1):
        if count % _EVENTS_IN_A_ROW == 0 or perf_counter() - began > _SECONDS_IN_A_ROW:
            await asyncio.sleep(0)
            began = perf_counter()
        if type(call) is RefusedEvent:
            results.append(call)
            continue
        if stopped is not None:
            results.append(stopped)
            continue
        event_type, payload, user_id, fields = call
        try:
            results.append(log(event_type, payload, user_id, **fields))
        except TelemetryError as exc:
            refused = refusal_of(exc)
            if refused.retry_after is not None:
                stopped = refused._replace(reason=_NOT_OFFERED)
            results.append(refused)
    return results


async def _wait_for(results: list[Receipt | RefusedEvent], wait: Wait) -> None:
    receipts = unreached([result for result in results if type(result) is Receipt], wait.level)
    if not receipts:
        return
    # They are settled in about their order, so after the first wait there is hardly another one.
    try:
        async with asyncio.timeout(wait.seconds):
            for receipt in receipts:
                await _reached(receipt, wait.level)
    except TimeoutError:
        return


async def _reached(receipt: Receipt, level: int) -> None:
    try:
        # The level that the configuration or the event's type asks for, within the limit of the type.
        await receipt
        if not receipt.has_reached(level):
            await wait_until(receipt, level)
    except TelemetryError:
        return  # What became of it is judged with the others.
    except TimeoutError:
        # The limit of its type; the time of the request may be over too, and then the next wait ends with it.
        await asyncio.sleep(0)


def _judged(result: Receipt | RefusedEvent) -> Receipt | RefusedEvent:
    """Return what is said about an event: its receipt where it is accepted and not lost."""
    if type(result) is RefusedEvent:
        return result
    match reached(result):
        case "failed":
            return refusal_of(result.error or TelemetryError())
        case "waiting":
            return RefusedEvent(503, _WAITING, _FULL_SECONDS)
        case _:
            return result


def refusal_of(error: TelemetryError) -> RefusedEvent:
    """Return what a caller learns of an error of ``log()``: of what is behind the gateway nothing.

    Args:
        error: The error.
    """
    match error:
        case EventTooLargeError():
            return RefusedEvent(413, str(error))
        case EventError():
            return RefusedEvent(422, str(error))
        case BackpressureError():
            return RefusedEvent(429, _FULL, _FULL_SECONDS)
        case EncryptionError():
            return RefusedEvent(503, _NO_KEY, _AWAY_SECONDS)
        case LifecycleError():
            return RefusedEvent(503, _ENDING, _AWAY_SECONDS)
        case _:
            return RefusedEvent(503, _LOST, _AWAY_SECONDS)

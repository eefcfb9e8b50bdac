"""Who acts and in which request: nested, inherited, updated, and never leaked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from telemetry import audit_context
from telemetry.context import current_audit_context, in_audit_context, update_audit_context
from telemetry.exceptions import EventError
from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig


@pytest.fixture
def telemetry(captured_events: CapturedEvents) -> Iterator[Telemetry]:
    with Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))) as started:
        yield started


def test_inner_block_adds_and_overrides() -> None:
    with audit_context(user_id="ada", ip_address="192.0.2.1"):
        with audit_context(user_id="eve", reason="ticket"):
            assert current_audit_context() == {"user_id": "eve", "ip_address": "192.0.2.1", "reason": "ticket"}
        assert current_audit_context() == {"user_id": "ada", "ip_address": "192.0.2.1"}
    assert current_audit_context() == {}


def test_exception_ends_the_block() -> None:
    with pytest.raises(ZeroDivisionError), audit_context(user_id="ada"):
        raise ZeroDivisionError

    assert current_audit_context() == {}


def test_event_says_what_the_context_says(telemetry: Telemetry, captured_events: CapturedEvents) -> None:
    with audit_context(user_id="ada", session_id="s", tenant_id="acme", correlation_id="c", source="web"):
        telemetry.audit.log("mail.sent", {"to": "x"})
        telemetry.audit.log("mail.read", {}, session_id="own", tenant_id=None)

    sent = captured_events.one("mail.sent")
    assert (sent.user_id, sent.session_id, sent.tenant_id, sent.correlation_id) == ("ada", "s", "acme", "c")
    captured_events.one("mail.read", session_id="own", tenant_id="acme", source="web")


def test_call_without_any_user_is_refused(telemetry: Telemetry) -> None:
    with audit_context(reason="none"), pytest.raises(EventError, match="user_id is missing"):
        telemetry.audit.log("mail.sent", {})
    with pytest.raises(EventError, match="user_id is missing"):
        telemetry.audit.log("mail.sent", {})


def test_context_of_nobody_is_anonymous(telemetry: Telemetry, captured_events: CapturedEvents) -> None:
    with audit_context(user_id=None):
        telemetry.audit.log("page.viewed", {})

    captured_events.one("page.viewed", user_id="anonymous", actor_type="anonymous")


@pytest.mark.parametrize(
    ("user", "given", "actor"),
    [("eve", {}, "eve"), (7, {}, "7"), ("ada", {}, None), (None, {}, None), ("eve", {"actor_id": "job"}, "job")],
)
def test_other_user_is_acted_upon_by_ours(
    telemetry: Telemetry, captured_events: CapturedEvents, user: Any, given: dict[str, Any], actor: str | None
) -> None:
    with audit_context(user_id=user):
        telemetry.audit.log("user.disabled", {}, "ada", **given)

    captured_events.one("user.disabled", user_id="ada", actor_id=actor)


def test_same_id_in_another_type_is_no_actor(telemetry: Telemetry, captured_events: CapturedEvents) -> None:
    with audit_context(user_id=7):
        telemetry.audit.log("user.changed", {}, "7")

    captured_events.one("user.changed", user_id="7", actor_id=None)


def test_hostile_context_is_adjusted(telemetry: Telemetry, captured_events: CapturedEvents) -> None:
    with audit_context(user_id="ada\n" * 900, user_agent="\x85" * 9_000, correlation_id=""):
        telemetry.audit.log("mail.sent", {})

    assert captured_events.one("mail.sent").adjusted == ("correlation_id", "user_agent", "user_id")


def test_repeat_in_another_request_is_no_conflict(telemetry: Telemetry, captured_events: CapturedEvents) -> None:
    for request in ("one", "two"):
        with audit_context(user_id=None, correlation_id=request):
            telemetry.audit.log("invoice.sent", {"n": 1}, idempotency_key="k")
    telemetry.audit.log("invoice.sent", {"n": 1}, None, idempotency_key="k")

    events = captured_events.all("invoice.sent")
    assert len(events) == 3
    assert len({event.dedup.digest for event in events if event.dedup}) == 1


def test_update_reaches_the_whole_request() -> None:
    with audit_context(user_id=None):
        thread = threading.Thread(target=copy_context().run, args=(lambda: update_audit_context(user_id="ada"),))
        thread.start()
        thread.join()
        assert current_audit_context() == {"user_id": "ada"}


def test_update_outside_is_refused() -> None:
    with pytest.raises(LookupError, match="no audit context"):
        update_audit_context(user_id="ada")


async def test_tasks_and_threads_inherit() -> None:
    async def ask() -> dict[str, Any]:
        await asyncio.sleep(0)
        return current_audit_context()

    with audit_context(user_id="ada"):
        found = await asyncio.gather(ask(), asyncio.to_thread(current_audit_context))
        later = asyncio.create_task(ask())

    assert [*found, await later] == [{"user_id": "ada"}] * 3
    assert current_audit_context() == {}


async def test_concurrent_requests_never_mix() -> None:
    @audit_context(source="web")
    async def request(number: int) -> tuple[Any, Any]:
        with audit_context(user_id=number):
            await asyncio.sleep(0)
            await asyncio.to_thread(update_audit_context, session_id=number)
            await asyncio.sleep(0)
            values = current_audit_context()
            return values["user_id"], values["session_id"]

    assert await asyncio.gather(*(request(number) for number in range(200))) == [(n, n) for n in range(200)]


def test_pool_gets_a_copy_and_no_more() -> None:
    with ThreadPoolExecutor(1) as pool, audit_context(user_id="ada"):
        assert pool.submit(current_audit_context).result() == {}
        carried = in_audit_context(current_audit_context)
        changed = in_audit_context(lambda: update_audit_context(user_id="eve"))
        pool.submit(changed).result()
        assert pool.submit(carried).result() == {"user_id": "ada"}
        assert current_audit_context() == {"user_id": "ada"}
        assert pool.submit(current_audit_context).result() == {}


async def test_block_left_in_another_context() -> None:
    block = audit_context(user_id="ada")

    await asyncio.to_thread(block.__enter__)
    await asyncio.to_thread(block.__exit__, None, None, None)

    assert current_audit_context() == {}


def test_shared_block_leaks_into_no_thread() -> None:
    block = audit_context(user_id="ada")
    both_inside = threading.Barrier(2)
    first_left = threading.Event()

    def work(*, is_first: bool) -> dict[str, Any]:
        with block:
            both_inside.wait(30)
            if not is_first:
                first_left.wait(30)
        first_left.set()
        return current_audit_context()

    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(work, is_first=is_first) for is_first in (True, False)]
        assert [one.result(30) for one in ended] == [{}, {}]


def test_generators_taking_turns_leave_nothing() -> None:
    def acting(user: str) -> Iterator[Any]:
        with audit_context(user_id=user):
            yield current_audit_context()["user_id"]

    first, second = acting("ada"), acting("eve")
    assert (next(first), next(second)) == ("ada", "eve")
    assert (list(first), list(second)) == ([], [])

    assert current_audit_context() == {}


def test_carried_function_restores_the_callers_block() -> None:
    with audit_context(user_id="ada"):
        carried = in_audit_context(current_audit_context)

    with audit_context(user_id="eve"):
        assert carried() == {"user_id": "ada"}
        assert current_audit_context() == {"user_id": "eve"}


def test_hidden_coroutine_runs_in_the_context() -> None:
    async def coroutine() -> dict[str, Any]:
        await asyncio.sleep(0)
        return current_audit_context()

    @audit_context(user_id="job")
    def hidden() -> Any:
        return coroutine()

    assert asyncio.run(hidden()) == {"user_id": "job"}
    assert current_audit_context() == {}


def test_decorator_serves_functions_and_coroutines() -> None:
    @audit_context(user_id="job")
    def plain() -> Any:
        return current_audit_context()["user_id"]

    @audit_context(user_id="job")
    async def coroutine() -> Any:
        await asyncio.sleep(0)
        return current_audit_context()["user_id"]

    assert (plain(), asyncio.run(coroutine())) == ("job", "job")
    assert current_audit_context() == {}


def test_decorated_generator_is_refused() -> None:
    def values() -> Iterator[int]:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        audit_context(user_id="ada")(values)


def test_late_fields_are_asked_at_each_event() -> None:
    known: dict[str, Any] = {}
    with audit_context(user_id="outer", reason="outer"), audit_context(session_id="s", late=lambda: known):
        assert current_audit_context() == {"user_id": "outer", "reason": "outer", "session_id": "s"}
        known |= {"user_id": "late", "session_id": "late"}
        assert current_audit_context() == {"user_id": "late", "reason": "outer", "session_id": "s"}
        update_audit_context(user_id="said")
        assert current_audit_context()["user_id"] == "said"


def test_late_fields_that_raise_say_nothing() -> None:
    def broken() -> dict[str, Any]:
        raise ConnectionResetError

    with audit_context(late=broken, reason="r"):
        assert current_audit_context() == {"user_id": None, "reason": "r"}
    with audit_context(user_id="ada", tenant_id="acme"), audit_context(late=broken):
        assert current_audit_context() == {"user_id": "ada", "tenant_id": "acme"}


def test_late_fields_that_raise_cost_no_event(telemetry: Telemetry, captured_events: CapturedEvents) -> None:
    def wrong() -> Any:
        return ["user_id"]

    with audit_context(late=wrong):
        telemetry.audit.log("mail.sent", {})

    captured_events.one("mail.sent", user_id="anonymous")

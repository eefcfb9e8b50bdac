"""``log()`` on one pipeline, from coroutines and threads; waiting under faults is in tests/fault/test_waiting.py."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from telemetry.audit.accept.draft.fields import NAMED
from telemetry.audit.receipt import WAITING, Receipt, mark_failed
from telemetry.audit.runtime import Runtime
from telemetry.audit.service import AuditService
from telemetry.exceptions import BackpressureError, EventError, LifecycleError
from tests.support.quick_telemetry import NOWHERE, quick_config


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    parts = Runtime(quick_config(NOWHERE, tmp_path))
    parts.start()
    yield parts
    parts.shutdown(20)


async def _created(receipt: Receipt) -> Receipt:
    return await asyncio.create_task(receipt)


async def _grouped(receipt: Receipt) -> Receipt:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(receipt)
    return task.result()


async def _gathered(receipt: Receipt) -> Receipt:
    first, second = await asyncio.gather(receipt, asyncio.sleep(0, "other"))
    assert second == "other"
    return first


async def _timed(receipt: Receipt) -> Receipt:
    return await asyncio.wait_for(receipt, 60)


async def _awaited(receipt: Receipt) -> Receipt:
    return await receipt


async def _several_tasks(receipt: Receipt) -> Receipt:
    tasks = [asyncio.create_task(receipt) for _ in range(3)]
    found = {id(await task) for task in tasks}
    assert found == {id(receipt)}
    return await receipt


FORMS: list[Callable[[Receipt], Awaitable[Receipt]]] = [
    *(_awaited, _created, _grouped, _gathered, _timed, _several_tasks),
]


@pytest.mark.parametrize("level", ["accepted", "durable", "delivered"])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
async def test_every_form_of_waiting_returns_the_receipt(
    runtime: Runtime, form: Callable[[Receipt], Awaitable[Receipt]], level: Any
) -> None:
    receipt = AuditService(runtime).log("login", {}, "ada", wait_for=level)

    assert await form(receipt) is receipt
    assert await receipt is receipt
    assert level != "delivered" or receipt.delivery is not None


def test_asyncio_run_accepts_a_call(runtime: Runtime) -> None:
    receipt = asyncio.run(AuditService(runtime).log("login", {}, "ada", wait_for="delivered"))

    assert receipt.delivery is not None


async def test_receipt_counts_as_a_coroutine(runtime: Runtime) -> None:
    receipt = AuditService(runtime).log("login", {}, "ada")

    assert isinstance(receipt, Coroutine)
    assert asyncio.iscoroutine(receipt)
    assert inspect.isawaitable(receipt)
    receipt.close()
    assert (await receipt).is_accepted


async def test_call_without_await_is_logged(runtime: Runtime) -> None:
    receipt = AuditService(runtime).log("login", {}, "ada")

    del receipt
    assert runtime.pipeline().stats().logged == 1


async def test_coroutines_and_threads_number_one_stream(runtime: Runtime) -> None:
    audit = AuditService(runtime)
    numbers = []
    for _ in range(50):
        numbers.append((await audit.log("login", {}, "ada")).sequence)
        numbers.append((await asyncio.to_thread(audit.log, "login", {}, "ada")).sequence)

    assert numbers == list(range(100))


def test_thread_blocks_for_the_level(runtime: Runtime) -> None:
    receipt = AuditService(runtime).log("login", {}, "ada", wait_for="durable")

    assert receipt.is_durable, "without a spool an event is durable once it is stored"


async def test_running_loop_is_never_blocked(runtime: Runtime) -> None:
    def sync_function() -> Receipt:
        return AuditService(runtime).log("login", {}, "ada", wait_for="delivered")

    receipt = sync_function()

    assert not receipt.is_settled or receipt.delivery is not None
    await receipt
    assert receipt.delivery is not None


async def test_cancelled_await_leaves_no_waiter(runtime: Runtime) -> None:
    receipt = AuditService(runtime).log("login", {}, "ada", wait_for="delivered")
    task = asyncio.create_task(receipt)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert receipt._waiters is None
    assert (await receipt).delivery is not None


@pytest.mark.parametrize("level", ["", "stored", "DURABLE", [], {}, 0, False, ["durable"], b"durable"], ids=repr)
async def test_unknown_level_logs_nothing(runtime: Runtime, level: Any) -> None:
    if level != "":
        with pytest.raises(EventError, match="wait_for"):
            AuditService(runtime).log("login", {}, "ada", wait_for=level)
    else:
        # None and an empty text mean the configuration's level.
        await AuditService(runtime).log("login", {}, "ada", wait_for=cast("Any", level))

    assert runtime.pipeline().stats().logged == (1 if level == "" else 0)


async def test_log_before_start_says_so(tmp_path: Path) -> None:
    runtime = Runtime(quick_config(NOWHERE, tmp_path))

    with pytest.raises(LifecycleError, match="call start"):
        AuditService(runtime).log("login", {}, "ada")
    with pytest.raises(LifecycleError, match="call start"):
        AuditService(runtime).get_audit_stats()


def test_parameters_are_the_named_fields() -> None:
    parameters = inspect.signature(AuditService.log).parameters

    assert set(parameters) - {"self", "event_type", "payload", "user_id", "unfit", "wait_for", "metadata"} == NAMED


def test_threads_and_a_loop_keep_each_order(runtime: Runtime) -> None:
    audit = AuditService(runtime)
    logged: dict[str, list[int]] = {}

    def from_thread(user: str) -> None:
        logged[user] = [audit.log("step", {"n": n}, user).sequence or 0 for n in range(200)]

    async def from_loop() -> None:
        logged["loop"] = [(await audit.log("step", {"n": n}, "loop")).sequence or 0 for n in range(200)]

    threads = [threading.Thread(target=from_thread, args=(f"thread-{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    asyncio.run(from_loop())
    for thread in threads:
        thread.join(60)

    assert len(logged) == 9
    assert all(numbers == sorted(numbers) and len(set(numbers)) == 200 for numbers in logged.values())


def _refused_before_its_call_looks(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the timer refuse each event before the thread of the call continues: it waited longer than an event may."""

    def refused(*_arguments: object) -> Receipt:
        receipt = Receipt("019c1180-09ad-7383-9790-0a5e588d6c7f", _level=WAITING)
        mark_failed(receipt, BackpressureError("the queue stayed full"))
        return receipt

    for method in ("offer", "relay"):
        monkeypatch.setattr(runtime.pipeline(), method, refused)


def test_event_that_is_refused_at_once_raises(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    _refused_before_its_call_looks(runtime, monkeypatch)
    audit = AuditService(runtime)

    with pytest.raises(BackpressureError):
        audit.log("login", {}, "ada")
    with pytest.raises(BackpressureError):
        audit.relay(b"row")


async def test_event_that_is_refused_at_once_raises_where_it_is_awaited(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refused_before_its_call_looks(runtime, monkeypatch)

    receipt = AuditService(runtime).log("login", {}, "ada")

    with pytest.raises(BackpressureError):
        await receipt

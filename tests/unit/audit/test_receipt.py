from __future__ import annotations

import asyncio
import copy
import pickle
import threading

import pytest

from telemetry.audit.receipt import (
    DELIVERED,
    DURABLE,
    WAITING,
    Delivery,
    Receipt,
    mark_accepted,
    mark_delivered,
    mark_durable,
    mark_failed,
    notify,
)
from telemetry.exceptions import TransportError

DELIVERY = Delivery("topic", 3, 17)


def _receipt() -> Receipt:
    return Receipt(event_id="id", producer="producer", sequence=5)


def _reach(receipt: Receipt, level: int, delivery: Delivery | None = None) -> None:
    assert (level == DELIVERED) is (delivery is not None)
    if mark_delivered(receipt, "topic", 3, 17) if delivery else mark_durable(receipt):
        notify([receipt])


async def test_no_public_name_changes_a_receipt() -> None:
    receipt = _receipt()
    names = [name for name in dir(receipt) if not name.startswith("_")]
    waits = {
        "durable",
        "delivered",
        "wait",
        "wait_accepted",
        "wait_durable",
        "wait_delivered",
        "has_reached",
        "is_at_least",
        "send",
        "throw",
        "close",
    }

    for name in names:
        if name not in waits:
            assert not callable(getattr(receipt, name)), name

    assert waits < set(names)
    assert not receipt.is_durable
    assert not receipt.is_settled
    assert receipt.delivery is None


def _later(action: threading.Thread) -> None:
    action.start()


async def test_task_is_woken_by_another_thread() -> None:
    receipt = _receipt()
    waiting = asyncio.create_task(receipt.delivered())
    await asyncio.sleep(0)
    _later(threading.Thread(target=_reach, args=(receipt, DELIVERED, DELIVERY)))

    assert await asyncio.wait_for(waiting, 10) == DELIVERY


async def test_delivery_makes_durable_too() -> None:
    receipt = _receipt()
    waiting = asyncio.create_task(receipt.durable())
    await asyncio.sleep(0)
    _reach(receipt, DELIVERED, DELIVERY)

    await asyncio.wait_for(waiting, 10)
    assert receipt.is_durable


async def test_durable_wakes_no_wait_for_delivery() -> None:
    receipt = _receipt()
    waiting = asyncio.create_task(receipt.delivered())
    await asyncio.sleep(0)
    _reach(receipt, DURABLE)
    await receipt.durable()

    assert not waiting.done()
    _reach(receipt, DELIVERED, DELIVERY)
    assert await asyncio.wait_for(waiting, 10) == DELIVERY


async def test_cancelled_wait_leaves_the_other_waiting() -> None:
    receipt = _receipt()
    first, second = asyncio.create_task(receipt.delivered()), asyncio.create_task(receipt.delivered())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    _reach(receipt, DELIVERED, DELIVERY)

    assert await asyncio.wait_for(second, 10) == DELIVERY


async def test_failed_event_raises_its_reason() -> None:
    receipt = _receipt()
    waiting = asyncio.create_task(receipt.delivered())
    await asyncio.sleep(0)
    error = TransportError("no")
    if mark_failed(receipt, error):
        notify([receipt])

    with pytest.raises(TransportError) as caught:
        await asyncio.wait_for(waiting, 10)
    assert caught.value is error


def test_thread_gives_up_after_its_timeout() -> None:
    receipt = _receipt()

    with pytest.raises(TimeoutError):
        receipt.wait_delivered(0.01)
    _later(threading.Thread(target=_reach, args=(receipt, DELIVERED, DELIVERY)))
    assert receipt.wait_delivered(60) == DELIVERY


def test_several_loops_wait_on_one_receipt() -> None:
    receipt, deliveries = _receipt(), []

    def run() -> None:
        deliveries.append(asyncio.run(asyncio.wait_for(receipt.delivered(), 10)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    threads.append(threading.Thread(target=lambda: deliveries.append(receipt.wait_delivered(60))))
    for thread in threads:
        thread.start()
    _reach(receipt, DELIVERED, DELIVERY)
    for thread in threads:
        thread.join(10)

    assert deliveries == [DELIVERY] * 5


def test_closed_loop_disturbs_no_other_waiter() -> None:
    receipt = _receipt()

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receipt.delivered(), 0.01)

    asyncio.run(give_up())
    _reach(receipt, DELIVERED, DELIVERY)

    assert asyncio.run(receipt.delivered()) == DELIVERY


async def test_late_commit_does_not_undo_a_delivery() -> None:
    receipt = _receipt()
    waiting = asyncio.create_task(receipt.delivered())
    await asyncio.sleep(0)
    mark_delivered(receipt, "audit-events", 0, 7)
    assert mark_durable(receipt)
    notify([receipt])

    assert (await asyncio.wait_for(waiting, 10)).offset == 7
    assert receipt.is_settled


def test_spooled_event_that_failed_was_durable() -> None:
    receipt = _receipt()
    mark_durable(receipt)
    mark_failed(receipt, TransportError("kept in the spool"))

    receipt.wait_durable(0)
    with pytest.raises(TransportError):
        receipt.wait_delivered(0)


def test_copy_of_a_receipt_is_the_receipt() -> None:
    receipt = _receipt()

    assert copy.copy(receipt) is receipt
    assert copy.deepcopy([receipt])[0] is receipt


def test_pickled_receipt_is_refused() -> None:
    with pytest.raises(TypeError, match="event_id"):
        pickle.dumps(_receipt())


def test_offered_receipt_never_makes_its_caller_wait() -> None:
    receipt = Receipt("id", _asked=WAITING, _level=WAITING)

    assert receipt.wait(0) is receipt
    with pytest.raises(TimeoutError):
        receipt.wait_accepted(0)
    mark_accepted(receipt, "producer", 5)
    receipt.wait_accepted(0)

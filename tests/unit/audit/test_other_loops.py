"""``log()`` under trio and anyio, and in eager tasks: no loop is blocked, and every wait ends."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio

from telemetry import Telemetry
from telemetry.audit.receipt import Receipt
from telemetry.exceptions import LifecycleError
from telemetry.testing import EmbeddedKafka
from tests.support.quick_telemetry import quick_config

LEVELS = ("accepted", "durable", "delivered")


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka() as broker:
        yield broker


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_every_wait_ends_in_a_task_group(backend: str, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    config = quick_config(kafka.bootstrap_servers, tmp_path, spool_path=tmp_path / "spool")
    found: list[Receipt] = []

    async def log(telemetry: Telemetry, level: Any) -> None:
        receipt = await telemetry.audit.log("step", {}, "ada", wait_for=level)
        assert receipt.has_reached(LEVELS.index(level))
        await receipt.durable()
        assert (await receipt.delivered()).topic
        found.append(receipt)

    async def main() -> None:
        async with Telemetry(config) as telemetry, anyio.create_task_group() as group:
            for level in LEVELS * 5:
                group.start_soon(log, telemetry, level)

    anyio.run(main, backend=backend)

    assert len({receipt.event_id for receipt in found}) == 15


def test_trio_is_never_blocked(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    async def main() -> None:
        telemetry = Telemetry(quick_config(kafka.bootstrap_servers, tmp_path))
        await telemetry.start()
        kafka.set_latency(1.0)
        receipt = telemetry.audit.log("step", {}, "ada", wait_for="delivered")
        assert not receipt.is_settled
        with trio.move_on_after(0.001) as scope:
            await receipt
        assert scope.cancelled_caught
        kafka.set_latency(0.0)
        # A wait that was given up changes nothing for the event.
        await receipt
        assert receipt.delivery is not None
        assert (await telemetry.shutdown()).delivered == 1
        with pytest.raises(LifecycleError):
            await telemetry.audit.log("step", {}, "ada")

    trio.run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are part of Python since 3.12")
@pytest.mark.parametrize("level", LEVELS)
def test_eager_tasks_return_the_receipt(level: Any, kafka: EmbeddedKafka, tmp_path: Path) -> None:
    async def main() -> None:
        asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - since 3.12
        async with Telemetry(quick_config(kafka.bootstrap_servers, tmp_path)) as telemetry:
            receipts = [telemetry.audit.log("step", {}, "ada", wait_for=level) for _ in range(6)]
            assert await asyncio.create_task(receipts[0]) is receipts[0]
            assert await asyncio.gather(*receipts[:2], asyncio.sleep(0)) == [*receipts[:2], None]
            async with asyncio.TaskGroup() as group:
                task = group.create_task(receipts[2])
            assert task.result() is receipts[2]
            assert await asyncio.wait_for(receipts[3], 60) is receipts[3]
            cancelled = asyncio.create_task(receipts[4])
            cancelled.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await cancelled
            assert await receipts[4] is receipts[4]
        assert {receipt.is_settled for receipt in receipts} == {True}

    asyncio.run(main())

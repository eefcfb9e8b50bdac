from __future__ import annotations

import asyncio
import threading

import pytest
import trio

from telemetry.system.loops.running import in_event_loop, in_trio_task, run_in_thread


async def _seen() -> tuple[bool, bool, bool, bool]:
    here = threading.get_ident()
    is_elsewhere = await run_in_thread(threading.get_ident) != here
    return in_event_loop(), in_trio_task(), is_elsewhere, await run_in_thread(in_event_loop)


def test_each_loop_is_recognized() -> None:
    assert (in_event_loop(), in_trio_task()) == (False, False)
    assert asyncio.run(_seen()) == (True, False, True, False)
    assert trio.run(_seen) == (True, True, True, False)


def test_guest_task_is_one_of_trio() -> None:
    async def host() -> tuple[bool, bool, bool, bool]:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        trio.lowlevel.start_guest_run(
            _seen, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
        )
        found: tuple[bool, bool, bool, bool] = (await ended).unwrap()
        return found

    assert asyncio.run(host()) == (True, True, True, False)


def test_error_comes_back_to_trio() -> None:
    async def fail() -> None:
        await run_in_thread(int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        trio.run(fail)

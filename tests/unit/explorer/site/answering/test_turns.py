from __future__ import annotations

import asyncio
import threading

from telemetry.explorer.access.person import Person
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.explorer.site.answering.turns import Turns


def _session(name: str) -> Session:
    return Session(Person(subject=name, name=name, right=Right.READ, how="one-time link"))


async def test_one_person_at_many_browsers_keeps_nobody_waiting() -> None:
    turns, first, second = Turns(), _session("ada"), _session("bob")
    ended, begun = threading.Event(), threading.Semaphore(0)

    def work() -> None:
        begun.release()
        ended.wait(60)

    slow = [asyncio.create_task(turns.run(first, work)) for _ in range(15)]
    slow += [asyncio.create_task(turns.run(_session("ada"), work)) for _ in range(15)]
    for _ in range(2):
        assert await asyncio.to_thread(begun.acquire, timeout=60)

    assert await turns.run(second, lambda: "answered") == "answered"

    assert not begun.acquire(blocking=False)
    ended.set()
    await asyncio.gather(*slow)


async def test_error_gives_the_turn_back() -> None:
    turns, session = Turns(), _session("ada")

    for _ in range(20):
        try:
            await turns.run(session, lambda: 1 // 0)
        except ZeroDivisionError:
            continue

    assert await turns.run(session, lambda: "answered") == "answered"

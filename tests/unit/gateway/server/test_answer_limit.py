"""A connection whose answer takes too long is cut off; others are not touched."""

from __future__ import annotations

import asyncio
from typing import Any

from telemetry.gateway.server.answer_limit import AnswerLimit


async def _no_message() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def _take(_message: Any) -> None:
    pass


async def _asked(seconds: float, limit: float) -> list[str]:
    """Return what happened to a request whose answer takes some seconds."""
    happened: list[str] = []

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.sleep(seconds)
        happened.append("answered")

    scope = {"type": "http", "state": {"abort": lambda: happened.append("cut off")}}
    await AnswerLimit(app, seconds=limit)(scope, _no_message, _take)
    return happened


async def test_answer_in_time_is_left_alone() -> None:
    assert await _asked(0, 60) == ["answered"]


async def test_answer_that_never_ends_is_cut_off() -> None:
    assert await _asked(3_600, 0.01) == ["cut off"]

"""Says whether an event loop runs in this thread, and runs what blocks beside it.

Trio is looked up and not imported: what was not imported runs nothing.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_event_loop() -> bool:
    """Return whether a loop of asyncio or trio runs in this thread, so that nothing may block it."""
    import asyncio  # noqa: PLC0415 - slow to import, and loaded by now in a program that logs

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _is_known("current_trio_token")
    return True


def in_trio_task() -> bool:
    """Return whether a task of trio calls; in trio's guest mode a loop of asyncio may run in the same thread."""
    return _is_known("current_task")


async def run_in_thread(function: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Call a function in a thread of its own, as the running loop does that; a cancelled wait leaves it running."""
    if in_trio_task():
        trio: Any = sys.modules["trio"]
        result: _R = await trio.to_thread.run_sync(functools.partial(function, *args, **kwargs), abandon_on_cancel=True)
        return result
    import asyncio  # noqa: PLC0415 - loaded by now in a program that awaits

    return await asyncio.to_thread(function, *args, **kwargs)


def _is_known(what: str) -> bool:
    lowlevel: Any = sys.modules.get("trio.lowlevel")
    if lowlevel is None:
        return False
    try:
        getattr(lowlevel, what)()
    except RuntimeError:
        return False
    return True

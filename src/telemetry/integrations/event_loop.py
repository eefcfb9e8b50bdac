"""Says whether a call comes from a coroutine, where nothing may block."""

from __future__ import annotations

import asyncio


def in_event_loop() -> bool:
    """Return whether an event loop of asyncio runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

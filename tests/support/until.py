"""Waits for a condition that another thread or process brings about."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable

import pytest

PATIENCE = 60.0
"""Seconds that nothing here needs on a quiet machine: they run out only when something hangs."""

_POLL_SECONDS = 0.01


def until(
    condition: Callable[[], object],
    *,
    what: str = "",
    timeout: float = PATIENCE,
    state: Callable[[], object] | None = None,
) -> None:
    """Return as soon as a condition is true, and fail the test if it does not become true.

    Args:
        condition: Called again and again until it returns something true.
        what: Description of the condition for the failure; its source code by default.
        timeout: Seconds until the test fails.
        state: Returns what is worth reading when the test fails, for example a pipeline's counts.
    """
    give_up = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() >= give_up:
            shown = f"; the state is {state()}" if state is not None else ""
            pytest.fail(f"within {timeout:g} s this did not become true: {what or _source_of(condition)}{shown}")
        pause.wait(_POLL_SECONDS)


def _source_of(condition: Callable[[], object]) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)

"""Finds the ``Telemetry`` of this process, for code that was not given one."""

from __future__ import annotations

from telemetry.client import Telemetry, started
from telemetry.exceptions import LifecycleError


def current_telemetry() -> Telemetry:
    """Return the only ``Telemetry`` that was started in this process and not shut down.

    Raises:
        LifecycleError: There is none, or there are several.
    """
    found = tuple(started)
    if len(found) == 1:
        return found[0]
    problem = "several are started; name one: telemetry=..." if found else "none is started; call start() first"
    message = f"there is no current Telemetry in this process: {problem}"
    raise LifecycleError(message)

"""Finds the ``Telemetry`` of this process, for code that was not given one."""

from __future__ import annotations

from telemetry.client import Telemetry, started
from telemetry.context import telemetry_of_context
from telemetry.exceptions import LifecycleError


def current_telemetry() -> Telemetry:
    """Return the ``Telemetry`` of the present audit context, else the only one that is started in this process.

    Raises:
        LifecycleError: The context names none, and none is started, or several are.
    """
    named: Telemetry | None = telemetry_of_context()
    if named is not None:
        return named
    found = tuple(started)
    if len(found) == 1:
        return found[0]
    problem = (
        "several are started; name one: telemetry=..., also of audit_context"
        if found
        else "none is started; call start() first"
    )
    message = f"there is no current Telemetry in this process: {problem}"
    raise LifecycleError(message)

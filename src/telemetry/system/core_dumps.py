"""Keeps the memory of a process, with its keys and events, out of core dumps and away from debuggers."""

from __future__ import annotations

import ctypes
import sys

from telemetry.exceptions import ConfigurationError, Problem

if sys.platform != "win32":
    import resource

# linux/prctl.h; prctl(2): a process that is not dumpable writes no core dump, not to a pipe either, and only root traces it.
_GET_DUMPABLE = 3
_SET_DUMPABLE = 4


def disable_core_dumps() -> None:
    """Let this process, and every child that it forks, write no core dump. It cannot be undone.

    A program that it executes is dumpable again on Linux, but has the limit of 0 bytes, which a ``core_pattern`` with a
    pipe does not heed. The relay of a forked child therefore calls this function too.

    Raises:
        ConfigurationError: The system cannot do that.
    """
    if sys.platform == "win32":
        reason = "is not possible on Windows"
        raise ConfigurationError(Problem("disable_core_dumps", reason, "switch Windows Error Reporting off instead"))
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            _prctl(_SET_DUMPABLE, 0)
    except OSError as exc:
        reason = f"is refused by the system: {exc.strerror}"
        raise ConfigurationError(Problem("disable_core_dumps", reason, "switch core dumps off outside")) from exc


def are_core_dumps_disabled() -> bool:
    """Return whether this process writes no core dump."""
    if sys.platform == "win32":
        return False
    if sys.platform == "linux":
        return _prctl(_GET_DUMPABLE) == 0
    return resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


def _prctl(option: int, value: int = 0) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    result = int(library.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, "prctl refuses it")
    return result

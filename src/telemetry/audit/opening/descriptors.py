"""Sees to it that a process may open the files that its streams need."""

from __future__ import annotations

import logging
import sys

if sys.platform != "win32":
    import resource

logger = logging.getLogger("telemetry.spool")

FILES_A_STREAM = 2
"""A segment, and its log."""
_OTHERS = 512
"""Files and sockets that the process opens beside."""


def most_streams(wanted: int) -> int:
    """Raise the process's limit of open files as far as it may, and return how many streams can have their files.

    Args:
        wanted: So many streams should have theirs.
    """
    if sys.platform == "win32":
        return wanted
    needed = wanted * FILES_A_STREAM + _OTHERS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _lower(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    most = max((soft - _OTHERS) // FILES_A_STREAM, 1)
    logger.warning(
        "the process may open %d files, so at most %d of %d streams are opened; raise its limit (ulimit -n) to %d",
        soft,
        most,
        wanted,
        needed,
    )
    return most


def _lower(needed: int, hard: int) -> int:
    return needed if hard == resource.RLIM_INFINITY else min(needed, hard)

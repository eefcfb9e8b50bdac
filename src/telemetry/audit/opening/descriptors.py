"""Sees to it that a process may open the files that its streams need."""

from __future__ import annotations

import logging
import sys
from typing import NamedTuple

if sys.platform != "win32":
    import resource

logger = logging.getLogger("telemetry.spool")

FILES_A_STREAM = 2
"""A segment, and its log."""
_OTHERS = 512
"""Files and sockets that the process opens beside."""


class OpenFiles(NamedTuple):
    """The limit of open files.

    Attributes:
        limit: The soft limit that is in force; None on Windows, which has none.
        is_enough: Whether it is as high as was needed.
    """

    limit: int | None
    is_enough: bool


def raise_limit(needed: int) -> OpenFiles:
    """Raise the process's limit of open files as far as it is needed and allowed, and return what it is then.

    Args:
        needed: How many files may be open at once.
    """
    if sys.platform == "win32":
        return OpenFiles(None, is_enough=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return OpenFiles(soft, is_enough=True)
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return OpenFiles(allowed, is_enough=allowed >= needed)


def most_streams(wanted: int) -> int:
    """Raise the process's limit of open files as far as it may, and return how many streams can have their files.

    Args:
        wanted: So many streams should have theirs.
    """
    needed = wanted * FILES_A_STREAM + _OTHERS
    limit, is_enough = raise_limit(needed)
    if limit is None or is_enough:
        return wanted
    most = max((limit - _OTHERS) // FILES_A_STREAM, 1)
    logger.warning(
        "the process may open %d files, so at most %d of %d streams are opened; raise its limit (ulimit -n) to %d",
        limit,
        most,
        wanted,
        needed,
    )
    return most

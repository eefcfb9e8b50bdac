"""Raises the limit of open files to what the gateway needs: shells and service managers start with 1,024."""

from __future__ import annotations

import logging
import sys

if sys.platform != "win32":
    import resource

logger = logging.getLogger("telemetry.gateway")

_OF_A_STREAM = 2
"""A stream with a spool has its segment and the write-ahead log of it."""
_OWN = 256
"""Sockets of Kafka and stores, libraries, logs."""


def needed_descriptors(*, connections: int, streams: int) -> int:
    """Return how many files a gateway may have open.

    Args:
        connections: Connections that may be open.
        streams: Streams that may be open.
    """
    return connections + _OF_A_STREAM * streams + _OWN


def raise_descriptor_limit(needed: int) -> int | None:
    """Raise the soft limit of open files as far as it is needed and allowed.

    Args:
        needed: How many files may be open at once.

    Returns:
        The limit in force; None on Windows, which has none.
    """
    if sys.platform == "win32":
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        logger.warning(
            "the limit of open files is %d, and this gateway may need %d: further connections wait at that limit, and further "
            "streams are refused; raise it (ulimit -Hn, LimitNOFILE=), or lower max_connections or max_streams",
            allowed,
            needed,
        )
    return allowed

"""Raises the limit of open files to what the gateway needs: shells and service managers start with 1,024."""

from __future__ import annotations

import logging

from telemetry.audit.opening.descriptors import FILES_A_STREAM, raise_limit

logger = logging.getLogger("telemetry.gateway")

_OWN = 256
"""Sockets of Kafka and stores, libraries, logs."""


def needed_descriptors(*, connections: int, streams: int) -> int:
    """Return how many files a gateway may have open.

    Args:
        connections: Connections that may be open.
        streams: Streams that may be open.
    """
    return connections + FILES_A_STREAM * streams + _OWN


def raise_descriptor_limit(needed: int) -> int | None:
    """Raise the soft limit of open files as far as it is needed and allowed.

    Args:
        needed: How many files may be open at once.

    Returns:
        The limit in force; None on Windows, which has none.
    """
    limit, is_enough = raise_limit(needed)
    if not is_enough:
        logger.warning(
            "the limit of open files is %d, and this gateway may need %d: further connections wait at that limit, and further "
            "streams are refused; raise it (ulimit -Hn, LimitNOFILE=), or lower max_connections or max_streams",
            limit,
            needed,
        )
    return limit

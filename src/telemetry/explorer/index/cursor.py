"""Reads the cursor of a page: it comes back from a browser, so that nothing in it is believed."""

from __future__ import annotations

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.index.store.line import MAX_LABEL, Key, id_bytes_of

_PARTS = 3
_LEAF_BYTES = 32
_MOST = 2 * MAX_LABEL + 2 * _LEAF_BYTES + _PARTS


def parse_cursor(text: str) -> Key:
    """Return the key of the last row of the page before.

    Args:
        text: What ``Row.cursor`` returned.

    Raises:
        ConfigurationError: It is no such text.
    """
    problem = ConfigurationError(Problem("after", "is not the end of a page", "begin with the first page again"))
    parts = text.split("~")
    if len(text) > _MOST or len(parts) != _PARTS:
        raise problem
    time, event_id, leaf = parts
    try:
        digest = bytes.fromhex(leaf)
    except ValueError:
        raise problem from None
    if len(digest) != _LEAF_BYTES:
        raise problem
    return time, id_bytes_of(event_id), digest

"""Keeps the bodies of key-service calls, which contain plaintext data keys, out of the SDKs' debug logs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_calling = threading.local()


class _DropsBodies(logging.Filter):
    """Drops the lines of a logger while its own thread is inside :func:`confidential`."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the signature of logging.Filter
        return not getattr(_calling, "depth", 0)


_FILTER = _DropsBodies()


@contextmanager
def confidential(*loggers: str) -> Iterator[None]:
    """Drop the lines of these loggers in this thread until the block ends.

    Args:
        loggers: Full names; a filter does not reach a logger's children.
    """
    for name in loggers:
        logging.getLogger(name).addFilter(_FILTER)  # does nothing the second time
    _calling.depth = getattr(_calling, "depth", 0) + 1
    try:
        yield
    finally:
        _calling.depth -= 1

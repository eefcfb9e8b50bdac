"""Prints each event as a line on standard error, for ``kafka_brokers="console:"``."""

from __future__ import annotations

import os
import sys
import threading
from typing import TextIO

from telemetry.audit.local.event_line import event_line
from telemetry.format.value.event import AuditEvent


class EventConsole:
    """Prints events; lines of several threads do not mix.

    Args:
        stream: Where to print; None for whatever standard error is at that moment.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def add(self, event: AuditEvent, *, size: int) -> None:
        """Print an event; one that cannot be printed is dropped, since nothing here was going to be kept."""
        del size
        stream = self._stream or sys.stderr
        if stream is None:  # a program without a console
            return
        with self._lock:
            try:
                stream.write(event_line(event, coloured=_shows_colours(stream)) + "\n")
                stream.flush()
            except (OSError, ValueError):
                # Closed, or a pipe that nobody reads any more: an application must not fail for a line on a laptop.
                return


def _shows_colours(stream: TextIO) -> bool:
    # https://no-color.org
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

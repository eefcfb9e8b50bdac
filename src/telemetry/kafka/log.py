"""librdkafka's own log lines, through ``logging`` and at a bearable rate."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

_INTERVAL = 60.0


class ClientLog:
    """Passes on the first line of a kind, then one a minute with the number of those held back.

    Args:
        target: Where lines go.
        clock: Monotonic seconds.
    """

    def __init__(self, target: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}
        self.logger = logging.Logger("librdkafka")  # noqa: LOG001 - private to one client, not in the global tree
        self.logger.addHandler(_Forward(self))

    def error(self, error: KafkaError) -> None:
        """Log an error of the client."""
        self.line(logging.WARNING, error.name(), error.str())

    def line(self, level: int, kind: str, text: str) -> None:
        """Log a line unless one of its kind was logged in the last minute."""
        now = self._clock()
        with self._lock:
            if now - self._last.get(kind, -_INTERVAL) < _INTERVAL:
                self._held[kind] = self._held.get(kind, 0) + 1
                return
            self._last[kind] = now
            held = self._held.pop(kind, 0)
        suffix = f" ({held} more of this kind in the last minute)" if held else ""
        self._target.log(level, "kafka client: %s%s", text, suffix)


class _Forward(logging.Handler):
    def __init__(self, log: ClientLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "enable.gapless.guarantee" in text:
            # The client warns at every start that this setting is experimental; it is chosen (docs/adr/0002).
            return
        # librdkafka writes "FACILITY [name#producer-1] text"; the facility is the kind of line.
        self._log.line(min(record.levelno, logging.WARNING), text.partition(" ")[0][:32], text)

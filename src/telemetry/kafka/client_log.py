"""librdkafka's own log lines, through ``logging`` and at a bearable rate."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

_INTERVAL = 60.0
_NO_TROUBLE = frozenset({"CONFWARN"})


class ClientLog:
    """Passes on what librdkafka says: of an outage the beginning, one line a minute while it lasts, and the end.

    One log serves all clients of a configuration, so that their outages are one. Lines that are no trouble pass once a
    minute for each kind.

    Args:
        target: Where lines go.
        clock: Monotonic seconds.
    """

    def __init__(self, target: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._began: float | None = None
        self._announced = False
        self._told = -_INTERVAL
        self._held = 0
        self.logger = logging.Logger("librdkafka")  # noqa: LOG001 - private to these clients, not in the global tree
        self.logger.addHandler(_Forward(self))

    def error(self, error: KafkaError) -> None:
        """Take an error that a client reports."""
        self.line(logging.WARNING, error.name(), error.str())

    def line(self, level: int, kind: str, text: str) -> None:
        """Take a line; ``kind`` is librdkafka's facility or error name."""
        if level >= logging.WARNING and kind not in _NO_TROUBLE:
            self._trouble(text)
        elif self._first_in_a_while(kind):
            self._target.log(level, "kafka client: %s", text)

    def answered(self) -> None:
        """Take note that Kafka answered a client: what outage there was is over."""
        if self._began is None:
            return
        with self._lock:
            began, announced, held = self._began, self._announced, self._held
            self._began, self._announced = None, False
            if began is None or not announced:
                return
            self._held = 0
            lasted = self._clock() - began
        self._target.warning("kafka client: works again after %.1f s (%d lines were held back)", lasted, held)

    def _trouble(self, text: str) -> None:
        now = self._clock()
        with self._lock:
            if self._began is None:
                self._began = now
            if now - self._told < _INTERVAL:
                self._held += 1
                return
            # Short outages one after another share a minute, so that a flapping connection cannot flood the log.
            first, lasted, held = not self._announced, now - self._began, self._held
            self._announced, self._told, self._held = True, now, 0
        if first:
            self._target.warning("kafka client: trouble begins: %s", text)
        else:
            self._target.warning(
                "kafka client: trouble for %.0f s, %d lines were held back, the latest: %s", lasted, held, text
            )

    def _first_in_a_while(self, kind: str) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._last.get(kind, -_INTERVAL) < _INTERVAL:
                return False
            self._last[kind] = now
            return True


class _Forward(logging.Handler):
    def __init__(self, log: ClientLog) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "enable.gapless.guarantee" in text:
            # The client warns at every start that this setting is experimental; it is chosen (docs/adr/0003).
            return
        # librdkafka writes "FACILITY [name#producer-1] text"; the facility is the kind of line.
        self._log.line(min(record.levelno, logging.WARNING), text.partition(" ")[0][:32], text)

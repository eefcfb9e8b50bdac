"""Passes librdkafka's own log lines to ``logging``, at a rate that an operator can read."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from confluent_kafka import KafkaError

_INTERVAL = 60.0
_REMARKS = frozenset({"CONFWARN"})
"""Kinds of warning that say nothing about the connection."""


class ClientLog:
    """Logs the beginning of an outage, one line a minute while it lasts, and its end.

    One log serves all clients of a configuration, so that their outages are one. Lines that report no problem are logged
    once a minute for each kind. Clients call it in their own threads, librdkafka's included.

    Args:
        target: Logger for the lines.
        clock: Monotonic seconds.
    """

    def __init__(self, target: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: dict[str, float] = {}
        self._began: float | None = None
        self._is_announced = False
        self._problem_logged_at = -_INTERVAL
        self._suppressed = 0
        self.logger = logging.Logger("librdkafka")  # noqa: LOG001 - private to these clients, not in the global tree
        """Receives a client's lines: the ``logger`` setting of confluent-kafka."""
        self.logger.addHandler(_Forward(self))

    def error(self, error: KafkaError) -> None:
        """Log an error that a client reports."""
        self.line(logging.WARNING, error.name(), error.str())

    def line(self, level: int, kind: str, text: str) -> None:
        """Log a line, or count it as suppressed.

        Args:
            level: Level of ``logging``.
            kind: librdkafka's facility or the error's name.
            text: The line.
        """
        if level >= logging.WARNING and kind not in _REMARKS:
            self._problem(text)
        elif self._first_in_a_while(kind):
            self._target.log(level, "kafka client: %s", text)

    def answered(self) -> None:
        """Record that Kafka answered a client: an outage is over, if there was one."""
        # Without the lock: this is called for every batch of delivery reports, and almost never in an outage.
        if self._began is None:
            return
        with self._lock:
            began, was_announced, suppressed = self._began, self._is_announced, self._suppressed
            self._began, self._is_announced = None, False
            if began is None or not was_announced:
                return
            self._suppressed = 0
            lasted = self._clock() - began
        self._target.warning("kafka client: recovered after %.1f s (%d lines were suppressed)", lasted, suppressed)

    def _problem(self, text: str) -> None:
        now = self._clock()
        with self._lock:
            if self._began is None:
                self._began = now
            if now - self._problem_logged_at < _INTERVAL:
                self._suppressed += 1
                return
            # Short outages one after another share a minute, so that a flapping connection cannot flood the log.
            is_first, lasted, suppressed = not self._is_announced, now - self._began, self._suppressed
            self._is_announced, self._problem_logged_at, self._suppressed = True, now, 0
        # Logged after the lock is released: a handler of the application may be slow.
        if is_first:
            self._target.warning("kafka client: connection problems: %s", text)
        else:
            self._target.warning(
                "kafka client: connection problems for %.0f s (%d lines were suppressed), the latest: %s",
                lasted,
                suppressed,
                text,
            )

    def _first_in_a_while(self, kind: str) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._logged_at.get(kind, -_INTERVAL) < _INTERVAL:
                return False
            self._logged_at[kind] = now
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

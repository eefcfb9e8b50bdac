"""Offers ``AuditHandler``: lines of the ``logging`` module become audit events.

>>> {"class": "telemetry.integrations.logging.AuditHandler"}  # in "handlers" of dictConfig  # doctest: +SKIP
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from telemetry.integrations.log_line import DEFAULT_TYPE, LineRecorder, exception_values

if TYPE_CHECKING:
    from telemetry.client import Telemetry

_STANDARD = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"))
_SEVERITIES = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class AuditHandler(logging.Handler):
    """Logs each record as an event, from any thread; it never raises, and never keeps a thread longer than it was told to.

    ``extra`` may name fields of the event (``user_id``, ``entity``, ``entity_id``, ``outcome``, ``event_type``, ``changes``
    ...); everything else in it becomes payload. What is missing comes from the audit context.

    Args:
        level: Least level; as of any handler.
        telemetry: What logs; by default the one that is started in this process. In ``dictConfig``:
            ``"ext://shop.telemetry"``.
        event_type: Type of records whose ``extra`` has no ``event_type``.
        user: Name in ``extra`` of the user.
        default_user: User of records outside any audit context that name none; nobody is known by default.
        block_ms: Milliseconds that a thread waits while the queue is full. The event waits on without it; one that
            gets no room within ``queue_full_timeout_ms`` counts as lost.
    """

    def __init__(
        self,
        level: int | str = logging.NOTSET,
        *,
        telemetry: Telemetry | None = None,
        event_type: str = DEFAULT_TYPE,
        user: str = "user_id",
        default_user: Any = None,
        block_ms: float = 0,
    ) -> None:
        super().__init__(level)
        self._lines = LineRecorder(
            "logging",
            telemetry=telemetry,
            event_type=event_type,
            user=user,
            default_user=default_user,
            block_ms=block_ms,
        )

    @property
    def failures(self) -> int:
        """Records that could not be logged."""
        return self._lines.failures

    @property
    def skipped(self) -> int:
        """Records that were made while another one was handled in the same thread."""
        return self._lines.skipped

    def createLock(self) -> None:  # noqa: N802 - the name of the method that it replaces
        """Use no lock: threads do not wait for each other, and a forked child finds none that is taken."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Log a record that passes the filters."""
        passed = self.filter(record)
        if passed:
            # Since Python 3.12 a filter may return another record.
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        try:
            if not self._lines.takes(record.name):
                return
            values = {name: value for name, value in vars(record).items() if name not in _STANDARD}
            # A listener's thread hands on what another one has logged before.
            is_late = record.thread is not None and record.thread != threading.get_ident()
            self._lines.record(
                self._message(record),
                values | exception_values(record.exc_info),
                logger=record.name,
                severity=_severity(record.levelno),
                occurred_at=record.created if is_late else None,
            )
        except Exception as exc:  # noqa: BLE001 - the application must not learn of it; counted and logged
            self._lines.failed(exc)

    def _message(self, record: logging.LogRecord) -> str:
        try:
            return self.format(record) if self.formatter is not None else record.getMessage()
        except Exception:  # noqa: BLE001 - wrong arguments, or a value whose text cannot be had: the line is logged all the same
            return record.msg if isinstance(record.msg, str) else f"<{type(record.msg).__name__}>"


def _severity(level: object) -> str:
    if not isinstance(level, int):
        return "info"  # a record that was made by hand
    return next((name for least, name in _SEVERITIES if level >= least), "debug")

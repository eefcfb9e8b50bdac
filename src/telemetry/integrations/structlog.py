"""Offers ``AuditProcessor``: events of structlog become audit events too.

>>> structlog.configure(processors=[merge_contextvars, AuditProcessor(), JSONRenderer()])  # doctest: +SKIP
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from telemetry.integrations.log_line import DEFAULT_TYPE, ExcInfo, LineRecorder, exception_values

if TYPE_CHECKING:
    from telemetry.client import Telemetry

_OF_STRUCTLOG = frozenset(
    ("event", "level", "logger", "timestamp", "exc_info", "stack_info", "_record", "_from_structlog", "positional_args")
)
_SEVERITIES = {"warn": "warning", "exception": "error", "fatal": "critical", "msg": "info", "log": "info"}


class Selection(Protocol):
    """Selects the events of structlog that are logged."""

    def __call__(self, values: MutableMapping[str, Any], /) -> object:
        """Return whether this one is; a value that says so may be removed."""


class AuditProcessor:
    """Logs what passes through it, and passes it on unchanged; it never raises, and never keeps a thread longer than it was told to.

    Values with the names of an event's fields (``user_id``, ``entity``, ``entity_id``, ``outcome``, ``event_type``, ``changes``
    ...) become those; everything else becomes payload. What is missing comes from the audit context.

    Args:
        telemetry: What logs; by default the one that is started in this process.
        when: Returns whether an event of structlog is logged; it may remove a value that says so. All are by default.
        event_type: Type of those that have no ``event_type``.
        user: Name of the value that is the user.
        default_user: User of what is logged outside any audit context without one; nobody is known by default.
        block_ms: Milliseconds that a thread waits while the queue is full. The event waits on without it; one that
            gets no room within ``queue_full_timeout_ms`` counts as lost.
    """

    def __init__(
        self,
        telemetry: Telemetry | None = None,
        *,
        when: Selection | None = None,
        event_type: str = DEFAULT_TYPE,
        user: str = "user_id",
        default_user: Any = None,
        block_ms: float = 0,
    ) -> None:
        self._when = when
        self._lines = LineRecorder(
            "structlog",
            telemetry=telemetry,
            event_type=event_type,
            user=user,
            default_user=default_user,
            block_ms=block_ms,
        )

    @property
    def failures(self) -> int:
        """Events of structlog that could not be logged."""
        return self._lines.failures

    @property
    def skipped(self) -> int:
        """Those that were made while another one was handled in the same thread."""
        return self._lines.skipped

    def __call__(self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Log an event of structlog, and return it."""
        try:
            self._record(logger, method_name, event_dict)
        except Exception as exc:  # noqa: BLE001 - the application must not learn of it; counted and logged
            self._lines.failed(exc)
        return event_dict

    def _record(self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> None:
        if self._when is not None and not self._when(event_dict):
            return
        name = _logger_name(logger, event_dict)
        if not self._lines.takes(name):
            return
        values = {str(key): value for key, value in event_dict.items() if key not in _OF_STRUCTLOG}
        level = event_dict.get("level", method_name)
        level = level.lower() if isinstance(level, str) else method_name
        message = event_dict.get("event", "")
        self._lines.record(
            message if isinstance(message, str) else _text_of(message),
            values | exception_values(_exc_info(event_dict)),
            logger=name,
            severity=_SEVERITIES.get(level, level),
        )


def _logger_name(logger: Any, event_dict: Mapping[str, Any]) -> str | None:
    """Return the name of the logger; a record of ``logging`` that structlog formats has one too."""
    record = event_dict.get("_record")
    for name in (event_dict.get("logger"), getattr(record, "name", None), getattr(logger, "name", None)):
        if isinstance(name, str):
            return name
    return None


def _exc_info(event_dict: Mapping[str, Any]) -> ExcInfo | None:
    given = event_dict.get("exc_info")
    if isinstance(given, BaseException):
        return type(given), given, None
    if isinstance(given, tuple):
        return cast("ExcInfo", given)
    return sys.exc_info() if given else None


def _text_of(message: object) -> str:
    try:
        return str(message)
    except Exception:  # noqa: BLE001 - a value's own code may raise anything
        return f"<{type(message).__name__}>"

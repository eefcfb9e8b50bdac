"""Turns a line of an application's log into an event that is never refused, and never feeds on the library's own lines."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from telemetry.context import FIELDS, FROM_CONTEXT, current_audit_context
from telemetry.exceptions import TelemetryError
from telemetry.integrations.event_loop import in_event_loop
from telemetry.integrations.recorder import Recorder

if TYPE_CHECKING:
    from telemetry.client import Telemetry
    from telemetry.types import Receipt

DEFAULT_TYPE = "log.message"

_OWN_LOGGER = "telemetry"
_OWN_THREADS = "telemetry-"
_RESERVED_TYPES = "telemetry."
_MAX_TYPE = 255
_MAX_EXCEPTION = 1_024

_TEXTS = (*FIELDS, "entity", "entity_id", "action", "idempotency_key")
_CHOICES = {
    "outcome": frozenset(("success", "failure", "denied")),
    "actor_type": frozenset(("user", "service", "system", "anonymous")),
}
_busy = threading.local()
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class LineRecorder:
    """Logs lines of an application's log as events.

    Lines of the library's own loggers (``telemetry`` and below) and threads are left out, and so is all that is logged
    while a line is being handled: neither the library nor a client that it uses can feed on itself.

    Args:
        hook: Name of the integration, an attribute of ``audit.hooks.failed_total``.
        telemetry: What logs; None for the one that is started in this process.
        event_type: Type of lines that name none.
        user: Name of the value that is the user.
        default_user: User of lines outside any audit context that name none.
        block_ms: Milliseconds that a thread waits for room in a full queue.
    """

    def __init__(
        self,
        hook: str,
        *,
        telemetry: Telemetry | None,
        event_type: str,
        user: str,
        default_user: Any,
        block_ms: float,
    ) -> None:
        self._recorder = Recorder(hook, telemetry=telemetry, use_started=True)
        self._event_type = event_type
        self._user = user
        self._default_user = default_user
        self._block_seconds = block_ms / 1_000
        self._skipped = 0

    @property
    def failures(self) -> int:
        """Lines that could not be logged."""
        return self._recorder.failures

    @property
    def skipped(self) -> int:
        """Lines that were logged while another one was handled in the same thread."""
        return self._skipped

    def failed(self, error: BaseException) -> None:
        """Count a line that could not be read."""
        self._recorder.failed(error)

    def takes(self, logger: str | None) -> bool:
        """Return whether a line of this logger, logged in this thread now, becomes an event."""
        if logger is not None and (logger == _OWN_LOGGER or logger.startswith(_OWN_LOGGER + ".")):
            return False
        if threading.current_thread().name.startswith(_OWN_THREADS):
            return False
        if getattr(_busy, "is_handling", False):
            self._skipped += 1
            return False
        return True

    def record(
        self,
        message: str,
        values: Mapping[str, Any],
        *,
        logger: str | None,
        severity: str,
        occurred_at: float | None = None,
    ) -> None:
        """Log a line; never raises, and never blocks an event loop.

        Args:
            message: The text.
            values: What was given with it: fields of the event by their names; everything else becomes payload.
            logger: Name of its logger.
            severity: Its level.
            occurred_at: When it was logged, if not now.
        """
        _busy.is_handling = True
        try:
            fields, payload = self._parted(values)
            event_type = fields.pop("event_type", self._event_type)
            user_id = fields.pop("user_id", None)
            if user_id is None:
                user_id = FROM_CONTEXT if "user_id" in current_audit_context() else self._default_user
            receipt = self._recorder.record(
                event_type,
                {"message": message, **payload},
                user_id,
                **fields,
                occurred_at=occurred_at,
                severity=severity,
                logger=logger,
                wait_for="offered",
            )
            self._wait(receipt)
        except Exception as exc:  # noqa: BLE001 - a value's own code may raise anything; counted and logged
            self._recorder.failed(exc)
        finally:
            _busy.is_handling = False

    def _parted(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Part values into fields of the event, and payload; what does not fit a field is payload."""
        fields: dict[str, Any] = {}
        payload: dict[str, Any] = {}
        for name, value in values.items():
            if name == self._user:
                fields["user_id"] = value
            elif value is not None and _fits(name, value):
                fields[name] = value
            else:
                # The text of the line itself has this name.
                payload["message_value" if name == "message" else name] = value
        return fields, payload

    def _wait(self, receipt: Receipt | None) -> None:
        if receipt is None or self._block_seconds <= 0 or receipt.is_accepted or in_event_loop():
            return
        try:
            receipt.wait_accepted(self._block_seconds)
        except (TimeoutError, TelemetryError):
            return  # it waits for room alone; what gets none is counted where all such events are


def exception_values(exc_info: ExcInfo | None) -> dict[str, Any]:
    """Return what a line says about its exception; nothing if it has none."""
    if exc_info is None or exc_info[1] is None:
        return {}
    try:
        text = str(exc_info[1])[:_MAX_EXCEPTION]
    except Exception:  # noqa: BLE001 - an exception's own code may raise anything
        text = ""
    return {"exception": {"type": type(exc_info[1]).__name__, "message": text}}


def _fits(name: str, value: Any) -> bool:
    if name in _CHOICES:
        return isinstance(value, str) and value in _CHOICES[name]
    if name in _TEXTS:
        return True
    if name == "event_type":
        return _is_event_type(value)
    if name == "sensitive":
        return isinstance(value, bool)
    if name == "changes":
        return type(value) is dict and all(isinstance(key, str) and _is_change(sides) for key, sides in value.items())
    return name == "targets" and type(value) in {list, tuple} and all(_is_pair(each) for each in value)


def _is_event_type(value: Any) -> bool:
    return (
        isinstance(value, str)
        and 0 < len(value) <= _MAX_TYPE
        and value.isprintable()
        and not value.isspace()
        and not value.lower().startswith(_RESERVED_TYPES)
    )


def _is_change(sides: Any) -> bool:
    if type(sides) is dict:
        return bool(sides) and sides.keys() <= {"old", "new"}
    return _is_pair(sides)


def _is_pair(value: Any) -> bool:
    return type(value) in {list, tuple} and len(value) == len(("old", "new"))

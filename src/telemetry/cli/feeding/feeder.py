"""Logs one line after the other. Standard input can wait: a line is never dropped because it came too quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from telemetry.cli.feeding.refusals import Refusals
from telemetry.cli.output.console import err, escape_markup, progress
from telemetry.exceptions import BackpressureError, EventError, TelemetryError
from telemetry.ingest.exact import decoded, decoded_exactly
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.in_flight import InFlight, LoggedEvent
from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.ingest.resume import Resume
from telemetry.ingest.stop_signals import StopSignals
from telemetry.ingest.wrapper import wrapped_list

_RETRY_SECONDS = 1.0
_BAR_STEP = 64
_INCOMPLETE = "is not complete: reading stopped in the middle of it"


class EventLog(Protocol):
    """The part of ``telemetry.audit`` that is used here."""

    @property
    def log(self) -> Callable[..., LoggedEvent]:
        """Logs an event."""


class Feeder:
    """Turns lines into events.

    Args:
        audit: Logs the events.
        mapping: Says which part of a line is which part of an event.
        keep_line: Whether the exact text of a line is its payload.
        allow_wrapper: Whether an object around a list is an event.
        in_flight: Follows the events until they are durable.
        refusals: Reports what is not logged.
        resume: Names the events of an import that can go on after a crash; None if it cannot.
        stop: Ends the work.

    Attributes:
        logged: Lines that were logged.
        failure: Why no further line can be logged; None as long as it can.
    """

    def __init__(
        self,
        audit: EventLog,
        mapping: LineMapping,
        *,
        keep_line: bool,
        allow_wrapper: bool,
        in_flight: InFlight,
        refusals: Refusals,
        resume: Resume | None,
        stop: StopSignals,
    ) -> None:
        self.logged = 0
        self.failure: TelemetryError | None = None
        self._audit = audit
        self._mapping = mapping
        self._keep_line = keep_line
        self._allow_wrapper = allow_wrapper
        self._in_flight = in_flight
        self._refusals = refusals
        self._resume = resume
        self._stop = stop
        self._is_waiting = False

    def feed(self, frames: Iterable[Frame], *, is_strict: bool) -> None:
        """Log the lines until the input ends; after a signal, those that were read already.

        Args:
            frames: The lines.
            is_strict: Whether to stop at the first line that cannot be logged.

        Raises:
            InputError: The input cannot be read on, or does not look like JSON at all.
            OSError: The file for bad lines does not accept one.
        """
        with progress("logging") as (bar, task):
            for count, frame in enumerate(frames, 1):
                self._feed_one(frame)
                if count % _BAR_STEP == 0:
                    bar.advance(task, _BAR_STEP)
                if is_strict and self._refusals.bad_lines:
                    return

    def _feed_one(self, frame: Frame) -> None:
        if (frame.is_open and not frame.fault) or self.failure is not None:
            self._leave_out(frame, _INCOMPLETE if frame.is_open else "the command is ending")
            return
        try:
            receipt = self._log(frame)
        except EventError as exc:
            self._refusals.refuse(frame, str(exc))
            self._in_flight.refused(frame)
        except TelemetryError as exc:
            self._leave_out(frame, str(exc))
            self.failure = exc
            self._stop.ask()
        else:
            self.logged += 1
            self._refusals.accepted()
            self._in_flight.logged(frame, receipt)

    def _leave_out(self, frame: Frame, reason: str) -> None:
        self._refusals.not_logged(frame, reason)
        self._in_flight.not_logged(frame)

    def _log(self, frame: Frame) -> LoggedEvent:
        if frame.fault:
            raise EventError(frame.fault)
        value = decoded(frame.data) if self._keep_line else decoded_exactly(frame.data)
        if (name := wrapped_list(value)) is not None and not self._allow_wrapper:
            message = f"is an object around a list of events: add --items {name}, or --items . if the object itself is the event"
            raise EventError(message)
        event = self._mapping.event(value)
        if self._resume is not None:
            # A key from the line itself is better: it is the same in another copy of the input.
            event.fields.setdefault("idempotency_key", self._resume.key_of(frame))
        payload = {"line": frame.data.decode()} if self._keep_line else event.payload
        return self._offered(event.event_type, payload, event.user_id, event.fields)

    def _offered(self, event_type: str, payload: Any, user_id: str, fields: dict[str, Any]) -> LoggedEvent:
        while True:
            try:
                # Whatever the configuration says: the next line need not wait until this one is safe.
                receipt = self._audit.log(event_type, payload, user_id, wait_for="accepted", **fields)
            except TelemetryError as exc:
                if isinstance(exc, EventError) or not exc.retriable or self._stop.is_asked:
                    raise
                self._wait(exc)
            else:
                self._is_waiting = False
                return receipt

    def _wait(self, error: TelemetryError) -> None:
        """Wait after an error that may pass; an audit event must not be dropped because of it."""
        if not self._is_waiting:
            self._is_waiting = True
            err.print(f"[yellow]waiting:[/] {escape_markup(str(error))}")
        # The call has waited for room itself.
        if not isinstance(error, BackpressureError):
            self._stop.pause(_RETRY_SECONDS)

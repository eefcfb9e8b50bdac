"""Reports and keeps the lines that were not logged, and counts them."""

from __future__ import annotations

from telemetry.cli.feeding.line_report import LineReport, kind_of
from telemetry.exceptions import InputError, TelemetryError
from telemetry.ingest.bad_lines import BadLines
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.in_flight import LineObserver, LoggedEvent

MAX_EQUAL = 20
"""So many lines with one fault at the beginning say that the whole input or the mapping is not what it should be."""


class Refusals(LineObserver):
    """What is said about the lines that were not logged.

    Args:
        kept: File for their bytes; None if there is none.

    Attributes:
        bad_lines: Lines that cannot be logged.
        lost_lines: Lines that could be logged and were not, or whose event failed.
    """

    def __init__(self, kept: BadLines | None) -> None:
        self.bad_lines = self.lost_lines = 0
        self._kept = kept
        self._bad_report = LineReport("yellow")
        self._lost_report = LineReport("red", "not logged: ")
        self._begun = False
        self._first_kind = ""
        self._equal = 0
        self._part_of: str | None = None

    def accepted(self) -> None:
        """Learn that a line was logged; called in the thread that reads."""
        self._begun = True
        self._bad_report.end_run()

    def refuse(self, frame: Frame, reason: str) -> None:
        """Report a line that cannot be logged; called in the thread that reads.

        Raises:
            InputError: All lines so far had the same fault.
            OSError: The file does not accept it.
        """
        is_new = self._part_of != frame.place
        self._part_of = frame.place if frame.is_part else None
        self._keep(frame)
        if not is_new:
            return  # A further part of a line that was reported.
        self.bad_lines += 1
        self._bad_report.add(frame, reason)
        if not self._begun:
            self._count_equal(reason)

    def not_logged(self, frame: Frame, reason: str) -> None:
        """Report a line that could be logged and was not."""
        self.lost_lines += 1
        self._keep(frame)
        self._lost_report.add(frame, reason)

    def lost_event(self, frame: Frame, error: TelemetryError) -> None:
        """Report a line whose event failed."""
        self.not_logged(frame, str(error))

    def durable(self, frame: Frame, receipt: LoggedEvent) -> None:  # noqa: ARG002 - as every observer
        """Learn that the line's event is safe."""
        self._lost_report.end_run()

    def lost(self, frame: Frame, error: TelemetryError | None) -> None:
        """Report a line whose event failed; without an error it was reported when it was not logged."""
        if error is not None:
            self.lost_event(frame, error)

    def finish(self) -> None:
        """Report what is left to say."""
        self._bad_report.end_run()
        self._lost_report.end_run()

    def _keep(self, frame: Frame) -> None:
        if self._kept is not None:
            self._kept.write(frame)

    def _count_equal(self, reason: str) -> None:
        # Of what is no JSON at all, such as CSV, each line can have another fault.
        kind = kind_of(reason).partition(":")[0]
        self._begun = bool(self._first_kind) and kind != self._first_kind
        self._first_kind = kind
        self._equal += 1
        if self._equal == MAX_EQUAL and not self._begun:
            message = (
                f"the first {MAX_EQUAL} lines have the same fault, so nothing was logged and reading stopped; the input "
                "must be JSON, and --preset or --event-type-field and --user-id-field must fit it"
            )
            raise InputError(message)

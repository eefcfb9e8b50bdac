"""Runs the pipeline for one input: start, feed, shut down, and say what became of the lines."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from telemetry.cli.feeding.acknowledgements import Acknowledgements
from telemetry.cli.feeding.feeder import Feeder
from telemetry.cli.feeding.options import FeedOptions
from telemetry.cli.feeding.refusals import Refusals
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, InputError, Problem, TelemetryError, UndeliveredError
from telemetry.ingest.bad_lines import BadLines
from telemetry.ingest.framing.byte_source import StreamSource
from telemetry.ingest.framing.documents import ItemsPath
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.in_flight import InFlight, LineObserver
from telemetry.ingest.input import JsonInput
from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.ingest.resume import Resume, ResumeState, load_state
from telemetry.ingest.stop_signals import StopSignals
from telemetry.sync import Telemetry

BAD_LINES = 8
"""Exit code when some lines were not logged."""


class FeedRun:
    """One run of ``telemetry log``.

    Args:
        mapping: Says which part of a line is which part of an event.
        feed: How the input is read.
        timeout: Seconds for delivery at the end.

    Attributes:
        summary: The counts, once :meth:`run` has returned.
        errors: What ended the reading or lost events, to be shown in this order.
    """

    def __init__(self, mapping: LineMapping, feed: FeedOptions, *, timeout: float) -> None:
        self.summary: dict[str, int | None] = {}
        self.errors: list[TelemetryError] = []
        self._mapping = mapping
        self._feed = feed
        self._timeout = timeout
        self._stop = StopSignals()

    def run(self, config: TelemetryConfig) -> int:
        """Log standard input; return the exit code.

        Args:
            config: The configuration.

        Raises:
            TelemetryError: The pipeline cannot be started.
        """
        _require_sending(config, self._feed)
        with ExitStack() as stack:
            stack.enter_context(self._stop)
            known = load_state(self._feed.resume) if self._feed.resume else None
            kept = stack.enter_context(_bad_lines(self._feed.bad_lines, known)) if self._feed.bad_lines else None
            refusals = Refusals(kept)
            resume = Resume(self._feed.resume, known, bad_lines=kept) if self._feed.resume else None
            # The order of what is written: what the file of the import says is done was acknowledged before.
            acknowledgements = Acknowledgements() if self._feed.ack else None
            observers: list[LineObserver] = [one for one in (refusals, acknowledgements, resume) if one is not None]
            in_flight = InFlight(observers, self._stop)
            telemetry = Telemetry(config)
            telemetry.start()
            in_flight.start()
            feeder = Feeder(
                telemetry.audit,
                self._mapping,
                keep_line=self._feed.keep_line,
                allow_wrapper=self._feed.whole_line,
                in_flight=in_flight,
                refusals=refusals,
                resume=resume,
                stop=self._stop,
            )
            # However the reading ends, what was accepted is delivered, followed to its end, and counted.
            try:
                self._read(feeder, resume)
            finally:
                counts = self._end(telemetry)
                self._settle(in_flight, resume)
            refusals.finish()
        self.summary = {"logged": feeder.logged, "bad": refusals.bad_lines, "lost": refusals.lost_lines, **counts}
        if resume is not None:
            self.summary["skipped"] = resume.skipped
        return self._exit_code(refusals)

    @property
    def signal(self) -> str:
        """Name of the signal that ended the reading; empty if none did."""
        return self._stop.name

    def _read(self, feeder: Feeder, resume: Resume | None) -> None:
        frames: Iterable[Frame] = JsonInput(StreamSource(sys.stdin.buffer, self._stop), self._items())
        if resume is not None:
            frames = resume.remaining(frames, self._stop)
        try:
            feeder.feed(frames, is_strict=self._feed.strict)
        except InputError as exc:
            self.errors.append(exc)
        except OSError as exc:
            self.errors.append(_bad_lines_fault(exc))
        if feeder.failure is not None:
            self.errors.append(feeder.failure)

    def _items(self) -> ItemsPath | None:
        if self._feed.items is not None:
            return ItemsPath(self._feed.items)
        if self._feed.whole_line or self._mapping.items is None:
            return None
        # A preset names the list of the files that a service delivers; its events can come one by one too.
        return ItemsPath(tuple(self._mapping.items.split(".")), is_required=False)

    def _end(self, telemetry: Telemetry) -> dict[str, int | None]:
        try:
            report = telemetry.shutdown(self._timeout)
        except UndeliveredError as exc:
            self.errors.append(exc)
            return {"delivered": None, "stored": None, "spooled": None, "failed": exc.count}
        return {
            "delivered": report.delivered,
            "stored": report.stored,
            "spooled": report.spooled,
            "failed": report.failed,
        }

    def _settle(self, in_flight: InFlight, resume: Resume | None) -> None:
        try:
            in_flight.finish()
            if resume is not None:
                resume.finish()
        except TelemetryError as exc:
            self.errors.append(exc)
        except OSError as exc:
            self.errors.append(_bad_lines_fault(exc))

    def _exit_code(self, refusals: Refusals) -> int:
        """Return the code of the worst: lost events, then another error, then a signal, then bad lines."""
        codes = [error.exit_code for error in self.errors]
        # A line that a signal cut off is reported, and is no loss: its writer sees how far it was read.
        if self.summary["failed"] or (refusals.lost_lines and not self._stop.name):
            codes.append(UndeliveredError.exit_code)
        return max(codes, default=0) or self._stop.exit_code or (BAD_LINES if refusals.bad_lines else 0)


def _require_sending(config: TelemetryConfig, feed: FeedOptions) -> None:
    """Check that nothing is acknowledged, or remembered as done, that was never sent."""
    option = "--ack" if feed.ack else "--resume" if feed.resume else None
    if option is not None and config.audit_config.local_mode is not None:
        reason = "the configuration sends no events (memory:, console: or enabled = false)"
        raise ConfigurationError(Problem(option, reason, "configure kafka_brokers, or leave the option out"))


def _bad_lines(path: Path, known: ResumeState | None) -> BadLines:
    try:
        return BadLines(path, known_bytes=known.bad_bytes if known is not None else None)
    except FileExistsError as exc:
        problem = Problem("--bad-lines", f"{path} exists already", "choose another name, or log its lines first")
        raise ConfigurationError(problem) from exc
    except OSError as exc:
        raise _bad_lines_fault(exc) from exc


def _bad_lines_fault(error: OSError) -> TelemetryError:
    return ConfigurationError(
        Problem("--bad-lines", f"the file cannot be written: {error.strerror}", "choose another place")
    )

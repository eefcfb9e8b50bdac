"""Prints which lines were not logged and why; a run of lines with the same reason takes two lines, not one each."""

from __future__ import annotations

import re
import threading

from telemetry.cli.output.console import err, escape_markup
from telemetry.ingest.framing.frame import Frame

_NUMBER = re.compile(r"\d+")


def kind_of(reason: str) -> str:
    """Return what is the same in all reasons that differ in places and sizes only."""
    return _NUMBER.sub("#", reason)


class LineReport:
    """Reports lines on standard error; two threads may use it.

    Args:
        style: Colour of the places.
        verb: What to say before the reason, such as ``not logged: ``.
    """

    def __init__(self, style: str, verb: str = "") -> None:
        self._style = style
        self._verb = verb
        self._lock = threading.Lock()
        self._kind = ""
        self._run: list[Frame] = []  # first and last line of the run after the line that was printed

    def add(self, frame: Frame, reason: str) -> None:
        """Report a line."""
        kind = kind_of(reason)
        with self._lock:
            if kind == self._kind:
                self._run[1:] = [frame]
                if len(self._run) == 1:
                    self._run = [frame, frame]
                return
            self._end()
            self._kind = kind
            self._print(frame.place, f"{self._verb}{reason}")

    def end_run(self) -> None:
        """Finish a run: the lines that come next have another fate."""
        if self._kind:
            with self._lock:
                self._end()

    def _end(self) -> None:
        if self._run:
            first, last = self._run
            place = first.place if first is last else f"{first.place} to {last.place}"
            self._print(place, f"{self._verb}for the same reason")
        self._kind, self._run = "", []

    def _print(self, place: str, text: str) -> None:
        err.print(f"[{self._style}]{place}:[/] {escape_markup(text)}")

"""Remembers how far an import came, so that it goes on after a crash without a second copy of any event.

What is remembered is the number of lines whose events are durable, and a chained digest of their bytes. An import that
goes on reads these lines again, checks that they are the same, and skips them. Lines after them may have been logged
before the crash; each event has a key of the import and its line, so a reader recognizes the second as a repeat.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from telemetry.exceptions import ConfigurationError, InputError, Problem
from telemetry.ingest.bad_lines import BadLines
from telemetry.ingest.framing.frame import Frame
from telemetry.ingest.in_flight import LineObserver, LoggedEvent
from telemetry.ingest.stop_signals import StopSignals
from telemetry.system.durable_file import write_durably

VERSION = 1

_MAX_BYTES = 1 << 16
_SAVE_SECONDS = 0.5
_ID_BYTES = 16
_DIGEST = re.compile("[0-9a-f]{64}")


class ResumeState(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of the file.

    Attributes:
        version: Version of this form.
        import_id: Random name of the import, a part of the key of each event.
        lines: Lines and items that are done: their events are durable, or they were refused and reported.
        marks: Chained digests in hexadecimal, after 1, 2, 4 ... and after all lines that are done.
        place: The last one, for people.
        bad_bytes: Bytes in the file of bad lines that belong to them; None if there is no such file.
    """

    version: int
    import_id: str
    lines: int = 0
    marks: dict[int, str] = {}
    place: str = ""
    bad_bytes: int | None = None


def load_state(path: Path) -> ResumeState | None:
    """Return what the file says; None if there is none, so that the import begins.

    Raises:
        ConfigurationError: The file cannot be read, or is none of this kind.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        state = msgspec.json.decode(data, type=ResumeState)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigurationError(Problem("--resume", f"{path} cannot be read: {exc.strerror}")) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        remedy = "name the file of this import, or a new one"
        raise ConfigurationError(Problem("--resume", f"{path} is no file of an import", remedy)) from exc
    if state.version != VERSION or not _is_whole(state):
        problem = Problem("--resume", f"{path} is of an unknown version or damaged", "use the version that wrote it")
        raise ConfigurationError(problem)
    return state


def _is_whole(state: ResumeState) -> bool:
    """Return whether the numbers and digests of a state can be what a run has written."""
    has_last = not state.lines or state.lines in state.marks
    are_digests = all(_DIGEST.fullmatch(mark) for mark in state.marks.values())
    return state.lines >= 0 and has_last and are_digests and (state.bad_bytes or 0) >= 0


class Resume(LineObserver):
    """Skips the lines that are done, and remembers those that become so.

    The file is written after acknowledgements and bad lines, so that it never says more than they do.

    Args:
        path: The file.
        state: What it says; None begins an import.
        bad_lines: File of bad lines, if there is one.

    Attributes:
        skipped: Lines that were skipped.

    Raises:
        ConfigurationError: The file cannot be written.
    """

    def __init__(self, path: Path, state: ResumeState | None, *, bad_lines: BadLines | None) -> None:
        self.skipped = 0
        self._path = path
        self._bad_lines = bad_lines
        self._begun = state or ResumeState(version=VERSION, import_id=secrets.token_urlsafe(_ID_BYTES))
        self._lines = self._begun.lines
        self._marks = dict(self._begun.marks)
        self._digest = bytes.fromhex(self._marks.get(self._lines, ""))
        self._place = self._begun.place
        self._is_blocked = False
        self._saved_at = 0.0
        # Before the first event: its key must be the same after a crash.
        self._save()

    def key_of(self, frame: Frame) -> str:
        """Return the idempotency key of a line's event."""
        return f"{self._begun.import_id}:{frame.line or 0}.{frame.item or 0}"

    def remaining(self, frames: Iterable[Frame], stop: StopSignals) -> Iterator[Frame]:
        """Yield the lines that are not done.

        Args:
            frames: All lines of the input.
            stop: Says whether the input was cut off by a signal.

        Raises:
            InputError: It is not the input that the file remembers.
        """
        known = self._begun
        digest = b""
        for frame in frames:
            if self.skipped == known.lines:
                yield frame
                continue
            if frame.is_open:
                return  # Stopped in the middle of a line that is done.
            digest = _chained(digest, frame)
            self.skipped += 1
            if known.marks.get(self.skipped, digest.hex()) != digest.hex():
                self._refuse(f"{frame.place} is not what it was")
        if self.skipped < known.lines and not stop.is_asked:
            self._refuse("it ends before the last line that is done")

    def durable(self, frame: Frame, receipt: LoggedEvent) -> None:  # noqa: ARG002 - as every observer
        """Remember that a line's event is durable."""
        self._advance(frame)

    def refused(self, frame: Frame) -> None:
        """Remember that a line was reported."""
        if not self._is_blocked and self._bad_lines is not None:
            self._bad_lines.done(frame)
        self._advance(frame)

    def lost(self, frame: Frame, error: Exception | None) -> None:  # noqa: ARG002 - as every observer
        """Go no further: an import that goes on begins with this line."""
        self._is_blocked = True

    def flush(self) -> None:
        """Write the file, at most twice a second.

        Raises:
            ConfigurationError: It cannot be written.
        """
        if time.monotonic() - self._saved_at >= _SAVE_SECONDS:
            self._save()

    def finish(self) -> None:
        """Write the file for the last time; raises as :meth:`flush`."""
        self._save()

    def _advance(self, frame: Frame) -> None:
        if self._is_blocked:
            return
        lines = self._lines
        # Only marks at powers of two stay, so that the file stays small.
        if lines & (lines - 1):
            self._marks.pop(lines, None)
        self._digest = _chained(self._digest, frame)
        self._lines = lines + 1
        self._marks[self._lines] = self._digest.hex()
        self._place = frame.place

    def _save(self) -> None:
        try:
            state = ResumeState(
                version=VERSION,
                import_id=self._begun.import_id,
                lines=self._lines,
                marks=self._marks,
                place=self._place,
                bad_bytes=None if self._bad_lines is None else self._bad_lines.sync(),
            )
            write_durably(self._path, msgspec.json.encode(state), replace=True)
        except OSError as exc:
            raise ConfigurationError(
                Problem("--resume", f"{self._path} cannot be written: {exc.strerror}", "choose another place")
            ) from exc
        self._saved_at = time.monotonic()

    def _refuse(self, reason: str) -> None:
        message = (
            f"the input is not the one that {self._path} remembers: {reason}; nothing was logged. Name a new file for "
            "another input"
        )
        raise InputError(message)


def _chained(digest: bytes, frame: Frame) -> bytes:
    return hashlib.sha256(digest + frame.data).digest()

"""Keeps what a target refused for good: each record as it was on the topic, still sealed, with the reason."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from telemetry.exceptions import ConfigurationError, Problem, StorageError, TelemetryError
from telemetry.forward.delivery import Refusal
from telemetry.reader.entry import Place
from telemetry.reader.sources.lines import write_line
from telemetry.storage.names import storable_name
from telemetry.system.clock import rfc3339
from telemetry.system.durable_file import write_durably
from telemetry.system.file_trust import find_fault

logger = logging.getLogger("telemetry.forward")

MAX_LETTERS = 100_000
MAX_LINES = 100
"""Lines of the log a minute; further ones are counted."""
SUFFIX = ".letter.jsonl"

_PRIVATE_FOLDER = 0o700


class LineLimit:
    """Logs a bounded number of lines a minute: anyone who may write to the topic could cause any number."""

    def __init__(self) -> None:
        self._minute = 0
        self._count = 0

    def error(self, line: str) -> None:
        """Log a line, or count it."""
        minute = int(time.monotonic() / 60)
        if minute != self._minute:
            if self._count > MAX_LINES:
                logger.error("%d further records were not forwarded", self._count - MAX_LINES)
            self._minute, self._count = minute, 0
        self._count += 1
        if self._count <= MAX_LINES:
            logger.error("%s", line)


class DeadLetters:
    """A folder with one file of mode 0600 for each record: a line of ``telemetry export --sealed``, with ``refused`` beside it.

    Args:
        folder: The folder; created with mode 0700 if it is absent. None keeps place and reason in the log alone.
        target: Kind of the target, for the files.

    Raises:
        ConfigurationError: The folder cannot be used, or another user could write to it.
    """

    def __init__(self, folder: Path | None, *, target: str) -> None:
        self._folder = folder
        self._target = target
        self._count = 0
        self._lines = LineLimit()
        # Those that this process kept, which a re-sending that was refused again must not delete.
        self._kept: set[str] = set()
        if folder is not None:
            _require_folder(folder)
            self._count = sum(1 for _ in letters_in(folder))

    @property
    def count(self) -> int:
        """How many are in the folder."""
        return self._count

    def keep(self, refusals: Sequence[Refusal]) -> None:
        """Keep records durably, and log the place and the reason of each. Keeping one again changes nothing.

        Raises:
            StorageError: The folder cannot be written.
        """
        for refusal in refusals:
            place = refusal.raw.place
            kept = self._folder is not None and self._count < MAX_LETTERS and self._write(self._folder, refusal)
            rest = "its record is a dead letter now" if kept else "it stays on the topic"
            self._lines.error(f"{place} was not forwarded: {refusal.reason}; {rest}")

    def report(self, place: Place, error: TelemetryError) -> None:
        """Log a record that is not forwarded and not kept: it is damaged, was altered, or is in conflict."""
        self._lines.error(f"{place} was not forwarded: {type(error).__name__}: {error}")

    def remove(self, place: Place) -> None:
        """Delete the file of a record that was forwarded after all; one that was kept meanwhile stays."""
        name = _name(place)
        if self._folder is not None and name not in self._kept:
            (self._folder / name).unlink(missing_ok=True)
            self._count = max(self._count - 1, 0)

    def _write(self, folder: Path, refusal: Refusal) -> bool:
        path = folder / _name(refusal.raw.place)
        note = {"refused": {"target": self._target, "reason": refusal.reason, "at": rfc3339(datetime.now(UTC))}}
        try:
            line = msgspec.json.decode(write_line(refusal.raw)) | note
        except ValueError:
            # Not a record of this library; the topic has it.
            return False
        try:
            is_new = not path.exists()
            write_durably(path, msgspec.json.encode(line) + b"\n", replace=True)
        except OSError as exc:
            message = f"the dead letter {path} cannot be written: {exc.strerror}; nothing is forwarded until it can be"
            raise StorageError(message) from exc
        self._count += is_new
        self._kept.add(path.name)
        return True


def letters_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder of dead letters, in the order of their places.

    Raises:
        ConfigurationError: The folder cannot be read.
    """
    try:
        with os.scandir(folder) as found:
            names = sorted(
                each.name for each in found if each.name.endswith(SUFFIX) and each.is_file(follow_symlinks=False)
            )
    except OSError as exc:
        raise ConfigurationError(Problem("--dead-letters", f"cannot be read: {exc.strerror}", "name a folder")) from exc
    for name in names:
        yield folder / name


def _name(place: Place) -> str:
    partition = "none" if place.partition is None else f"{place.partition:05d}"
    return f"{storable_name(place.source)}.{partition}.{place.offset:020d}{SUFFIX}"


def _require_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        fault = find_fault(folder)
    except OSError as exc:
        reason = f"cannot be created: {exc.strerror}"
        raise ConfigurationError(Problem("--dead-letters", reason, "name a folder of this user")) from exc
    if fault is not None:
        raise ConfigurationError(Problem("--dead-letters", str(fault), fault.remedy))

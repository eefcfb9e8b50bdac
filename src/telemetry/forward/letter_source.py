"""Reads the dead letters of a folder as a trail, and deletes each once the target has acknowledged it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from telemetry.exceptions import MalformedRecordError
from telemetry.forward.dead_letters import DeadLetters, letters_in
from telemetry.forward.session import OpenTrail
from telemetry.reader.entry import DamagedRecord, Entry, Place, RawRecord
from telemetry.reader.sources.lines import MAX_LINE_BYTES, copied_line
from telemetry.reader.sources.source import Source
from telemetry.trail.trail import Trail


class LetterSource:
    """The records of a folder of dead letters, at the places that they had on the topic.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[RawRecord | DamagedRecord]:
        """Yield the records; a file that is none becomes a damaged one, and stays.

        Raises:
            ConfigurationError: The folder cannot be read.
        """
        for path in letters_in(self._folder):
            place = Place(str(path), offset=1)
            try:
                with path.open("rb") as file:
                    line = file.read(MAX_LINE_BYTES + 1)
            except OSError as exc:
                yield DamagedRecord(
                    place,
                    MalformedRecordError(f"the file cannot be read: {exc.strerror}"),
                    RawRecord(None, None, place),
                )
                continue
            yield copied_line(line.rstrip(b"\n"), place)

    def describe(self) -> dict[str, Any]:
        """Return what is read, for the event that records the read."""
        return {"kind": "dead letters", "count": sum(1 for _ in letters_in(self._folder))}


class TrailOf(Protocol):
    """Creates the trail of a source."""

    def __call__(self, source: Source, /) -> Trail:
        """Return it, not opened yet."""


class LetterOpening:
    """Opens dead letters as a trail.

    Args:
        folder: The folder.
        letters: The same folder, which forgets what was forwarded.
        trail: Creates the trail.
    """

    def __init__(self, folder: Path, letters: DeadLetters, trail: TrailOf) -> None:
        self._folder = folder
        self._letters = letters
        self._trail = trail

    @contextmanager
    def open(self) -> Iterator[OpenTrail]:
        """Yield the trail; the read is recorded first."""
        with self._trail(LetterSource(self._folder)) as trail:
            yield _LetterTrail(trail, self._letters)


class _LetterTrail:
    """A trail whose confirmed entries are deleted."""

    def __init__(self, trail: Trail, letters: DeadLetters) -> None:
        self._trail = trail
        self._letters = letters

    @property
    def filtered(self) -> int:
        return self._trail.filtered

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._trail)

    def confirm(self, entry: Entry) -> None:
        if not isinstance(entry, DamagedRecord):
            self._letters.remove(entry.place)

    def record_read(self) -> None:
        self._trail.record_read()

    def stop(self) -> None:
        self._trail.stop()

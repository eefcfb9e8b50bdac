"""Takes the events out of the entries of a trail, reports what cannot be read, and counts everything."""

from __future__ import annotations

from collections import Counter

from rich.text import Text

from telemetry.cli.output.console import err, escape_control
from telemetry.exceptions import (
    ConflictError,
    EncryptionError,
    KeyMismatchError,
    NewerReaderNeededError,
    TamperedError,
    TelemetryError,
)
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, Place, Proven, SealedEntry
from telemetry.reader.entry import EndedRun, RedactedEvent
from telemetry.reader.open.rules import ReadCounts

MAX_REPORTED = 100
"""After this many records that cannot be read, further ones are only counted."""


class EntryCounter:
    """Counts the entries of a trail.

    Args:
        is_deferred: Whether to print what cannot be read only when :meth:`show_reports` is called.

    Attributes:
        events: Events that were read.
        clear: Those of them that were not sealed: anyone who may write to the topic can have written them.
        proven: How many of them are proven, pending, not proven, or not judged.
        conflicts: Places in a stream that different records claim.
        damaged: Records that are malformed or were altered.
        unopened: Sealed events whose data key is not available.
        newer: Sound events that use a feature which only later versions read.
        forgotten: Those of the events whose subject was forgotten: they have no content any more.
        redacted: Events of an archive whose value was removed on request.
        ended: Events of an archive whose retention has ended.
    """

    def __init__(self, *, is_deferred: bool = False) -> None:
        self._is_deferred = is_deferred
        self.restart()

    def restart(self) -> None:
        """Forget everything: the trail is read again."""
        self._reported = 0
        self._deferred: list[Text] = []
        self.proven: Counter[Proven] = Counter()
        self.events = self.clear = self.conflicts = self.damaged = self.unopened = self.newer = 0
        self.forgotten = self.redacted = self.ended = 0

    def event(self, entry: Entry) -> OpenedEvent | None:
        """Count an entry; return it if it is an event, and report it if it cannot be read."""
        if isinstance(entry, OpenedEvent):
            self.events += 1
            self.clear += not entry.sealed
            self.forgotten += entry.event.is_forgotten
            self.proven[entry.proven] += 1
            return entry
        if isinstance(entry, DamagedRecord):
            self._report(entry.place, entry.error)
        elif isinstance(entry, SealedEntry):
            self._report(entry.place, EncryptionError("the event is sealed, and no key is configured"))
        elif isinstance(entry, RedactedEvent):
            self.redacted += 1
        elif isinstance(entry, EndedRun):
            self.ended += entry.end - entry.first
        return None

    def withdraw(self, opened: OpenedEvent, error: TelemetryError) -> None:
        """Count an event that was already counted as damaged instead, and report it."""
        self.events -= 1
        self.clear -= not opened.sealed
        self.forgotten -= opened.event.is_forgotten
        self.proven[opened.proven] -= 1
        self._report(opened.place, error)

    @property
    def exit_code(self) -> int:
        """0 when everything could be read, 3 when a record was damaged, in conflict or too new, 5 when keys were missing."""
        if self.damaged or self.conflicts or self.newer:
            return TamperedError.exit_code
        return EncryptionError.exit_code if self.unopened else 0

    def exit_code_of(self, counts: ReadCounts, *, is_strict: bool, is_ended: bool = True) -> int:
        """Return the exit code of a command that read a trail.

        Args:
            counts: What the trail found.
            is_strict: Whether foreign and unproven records are an error.
            is_ended: Whether the trail was read to its end: what is pending then is not proven.
        """
        unproven = self.proven[Proven.NO] + (self.proven[Proven.PENDING] if is_ended else 0)
        return TamperedError.exit_code if is_strict and (counts.foreign or unproven) else self.exit_code

    def found(self, counts: ReadCounts) -> dict[str, int]:
        """Return what has to be known beside the number of events, with the word for each count.

        Args:
            counts: What the trail found.
        """
        found = {
            "copies": counts.copies,
            "repeats": counts.repeats,
            "conflicts": self.conflicts,
            "foreign": counts.foreign,
            "damaged": self.damaged,
            "not opened": self.unopened,
        }
        if self.newer:
            found["need a newer reader"] = self.newer
        found |= {"forgotten": self.forgotten} if self.forgotten else {}
        found |= {"redacted": self.redacted} if self.redacted else {}
        found |= {"ended by policy": self.ended} if self.ended else {}
        if self.proven.total() > self.proven[Proven.NOT_JUDGED]:
            found |= {
                "proven": self.proven[Proven.YES],
                "pending": self.proven[Proven.PENDING],
                "not proven": self.proven[Proven.NO],
            }
        return found

    def show_reports(self) -> None:
        """Print the reports that were deferred."""
        for line in self._deferred:
            err.print(line)
        self._deferred = []

    def warn(self) -> None:
        """Warn of events that nothing proves; for a trail whose events should be sealed."""
        if self.clear:
            err.print(f"[yellow]{self.clear} events were not sealed: nothing proves who wrote them[/]")

    def complaint(self) -> str:
        """Return a sentence about what could not be read; empty if everything could."""
        parts = []
        if self.damaged:
            parts.append(f"{self.damaged} records are damaged or were altered")
        if self.newer:
            parts.append(f"{self.newer} events need a newer reader: upgrade this library")
        if self.conflicts:
            parts.append(f"{self.conflicts} conflicts: different records claim to be the same event")
        if self.unopened:
            parts.append(f"{self.unopened} events could not be opened because their data keys are not available")
        return "; ".join(parts)

    def _report(self, place: Place, error: TelemetryError) -> None:
        if isinstance(error, ConflictError):
            self.conflicts += 1
        elif isinstance(error, NewerReaderNeededError):
            self.newer += 1
        # A key service that refuses or is away says nothing about the record; the key of another record does.
        elif isinstance(error, EncryptionError) and not isinstance(error, KeyMismatchError):
            self.unopened += 1
        else:
            self.damaged += 1
        self._reported += 1
        if self._reported <= MAX_REPORTED:
            self._print(Text(escape_control(f"{place}: {type(error).__name__}: {error}"), style="red"))
        if self._reported == MAX_REPORTED:
            self._print(Text("further ones are only counted", style="red"))

    def _print(self, line: Text) -> None:
        if self._is_deferred:
            self._deferred.append(line)
        else:
            err.print(line)

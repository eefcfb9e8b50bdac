"""Takes the events out of the entries of a trail, reports what cannot be read, and counts everything."""

from __future__ import annotations

from rich.text import Text

from telemetry.cli.output.console import err, escape_control
from telemetry.exceptions import EncryptionError, KeyMismatchError, TamperedError, TelemetryError
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, Place, SealedEntry

MAX_REPORTED = 100
"""After this many records that cannot be read, further ones are only counted."""


class EntryCounter:
    """Counts the entries of a trail.

    Attributes:
        events: Events that were read.
        clear: Those of them that were not sealed: anyone who may write to the topic can have written them.
        damaged: Records that are malformed or were altered.
        unopened: Sealed events whose data key is not available.
    """

    def __init__(self) -> None:
        self._reported = 0
        self.events = self.clear = self.damaged = self.unopened = 0

    def event(self, entry: Entry) -> OpenedEvent | None:
        """Count an entry; return it if it is an event, and report it if it cannot be read."""
        if isinstance(entry, OpenedEvent):
            self.events += 1
            self.clear += not entry.sealed
            return entry
        if isinstance(entry, DamagedRecord):
            self._report(entry.place, entry.error)
        elif isinstance(entry, SealedEntry):
            self._report(entry.place, EncryptionError("the event is sealed, and no key is configured"))
        return None

    def withdraw(self, opened: OpenedEvent, error: TelemetryError) -> None:
        """Count an event that was already counted as damaged instead, and report it."""
        self.events -= 1
        self.clear -= not opened.sealed
        self._report(opened.place, error)

    @property
    def exit_code(self) -> int:
        """0 when everything could be read, 3 when something was damaged, 5 when keys were missing."""
        if self.damaged:
            return TamperedError.exit_code
        return EncryptionError.exit_code if self.unopened else 0

    def warn(self) -> None:
        """Warn of events that nothing proves; for a trail whose events should be sealed."""
        if self.clear:
            err.print(f"[yellow]{self.clear} events were not sealed: nothing proves who wrote them[/]")

    def complaint(self) -> str:
        """Return a sentence about what could not be read; empty if everything could."""
        parts = []
        if self.damaged:
            parts.append(f"{self.damaged} records are damaged or were altered")
        if self.unopened:
            parts.append(f"{self.unopened} events could not be opened because their data keys are not available")
        return "; ".join(parts)

    def _report(self, place: Place, error: TelemetryError) -> None:
        # A key service that refuses or is away says nothing about the record; the key of another record does.
        if isinstance(error, EncryptionError) and not isinstance(error, KeyMismatchError):
            self.unopened += 1
        else:
            self.damaged += 1
        self._reported += 1
        if self._reported <= MAX_REPORTED:
            err.print(Text(escape_control(f"{place}: {type(error).__name__}: {error}"), style="red"))
        if self._reported == MAX_REPORTED:
            err.print("[red]further ones are only counted[/]")

"""Takes the events out of what a trail yields, reports what cannot be read, and counts everything."""

from __future__ import annotations

from rich.text import Text

from telemetry.cli.output.console import err, neutral
from telemetry.exceptions import EncryptionError, KeyMismatchError, TamperedError, TelemetryError
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, Place, SealedEntry

MAX_REPORTED = 100


class Sift:
    """Counts what a trail yields.

    Attributes:
        taken: Events.
        clear: Those of them that were not sealed: whoever may write to the topic can have written them.
        damaged: Records that are malformed or were altered.
        unopened: Sealed events whose data key cannot be had.
    """

    def __init__(self) -> None:
        self._reported = 0
        self.taken = self.clear = self.damaged = self.unopened = 0

    def event(self, entry: Entry) -> OpenedEvent | None:
        """Return the entry if it is an event; report it if it cannot be read."""
        if isinstance(entry, OpenedEvent):
            self.taken += 1
            self.clear += not entry.sealed
            return entry
        if isinstance(entry, DamagedRecord):
            self._cannot_read(entry.place, entry.error)
        elif isinstance(entry, SealedEntry):
            self._cannot_read(entry.place, EncryptionError("the event is sealed, and no key is configured"))
        return None

    def withdraw(self, opened: OpenedEvent, error: TelemetryError) -> None:
        """Report an event as damaged that had been taken."""
        self.taken -= 1
        self.clear -= not opened.sealed
        self._cannot_read(opened.place, error)

    @property
    def exit_code(self) -> int:
        """0 when everything could be read, 3 when something was damaged, 5 when keys were missing."""
        if self.damaged:
            return TamperedError.exit_code
        return EncryptionError.exit_code if self.unopened else 0

    def warn(self) -> None:
        """Tell of events that nothing proves, where there is a key that would seal them."""
        if self.clear:
            err.print(f"[yellow]{self.clear} events were not sealed: nothing proves who wrote them[/]")

    def complaint(self) -> str:
        """Return what to tell of that which could not be read; empty if all was well."""
        parts = []
        if self.damaged:
            parts.append(f"{self.damaged} records are damaged or were altered")
        if self.unopened:
            parts.append(f"{self.unopened} events could not be opened for want of their data keys")
        return "; ".join(parts)

    def _cannot_read(self, place: Place, error: TelemetryError) -> None:
        # A key service that refuses or is away says nothing about the record; a key of another record does.
        if isinstance(error, EncryptionError) and not isinstance(error, KeyMismatchError):
            self.unopened += 1
        else:
            self.damaged += 1
        self._reported += 1
        if self._reported <= MAX_REPORTED:
            err.print(Text(neutral(f"{place}: {type(error).__name__}: {error}"), style="red"))
        if self._reported == MAX_REPORTED:
            err.print("[red]further ones are only counted[/]")

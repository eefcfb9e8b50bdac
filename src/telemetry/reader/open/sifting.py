"""Decides which entries are shown: drops copies and repeats, names conflicts, and keeps foreign records out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from telemetry.exceptions import ConflictError
from telemetry.reader.entry import DamagedRecord, Entry, OpenedEvent, SealedEntry
from telemetry.reader.open.fingerprints import Sighting
from telemetry.reader.open.recognition import Recognition
from telemetry.reader.open.rules import ReadCounts, ReadingRules


class EntrySieve:
    """Sifts the entries of one reading.

    Args:
        rules: What is shown.

    Attributes:
        counts: What was found so far.
    """

    def __init__(self, rules: ReadingRules) -> None:
        self._rules = rules
        self._recognition = Recognition()
        self.counts = ReadCounts()

    def sift(self, entry: Entry) -> Iterator[Entry]:
        """Yield an entry if it is shown, and what has to be said about it.

        Raises:
            StorageError: What is remembered of earlier records does not fit into memory, and cannot be written to disk.
        """
        if isinstance(entry, OpenedEvent):
            yield from self._event(entry)
        elif isinstance(entry, SealedEntry):
            if not self._is_left_out(self._recognition.of_bytes(entry.raw)):
                yield entry
        else:
            self.counts.damaged += isinstance(entry, DamagedRecord)
            yield entry

    def close(self) -> None:
        """Forget what was seen."""
        self._recognition.close()

    def _event(self, opened: OpenedEvent) -> Iterator[Entry]:
        """Sift an event.

        1. A foreign one is left out, unless foreign records are shown.
        2. A copy of a record that was shown is left out.
        3. A repeat of a call is left out. Another call that claims its value is a conflict.
        4. It is shown. If it claims the place of another record, that is a conflict.
        """
        rules = self._rules
        # 1.
        if rules.needs_seals and not opened.sealed:
            self.counts.foreign += 1
            if not rules.foreign:
                return
            opened = replace(opened, is_foreign=True)
        # 2.
        seen = self._recognition.of_event(opened)
        if self._is_left_out(seen):
            return
        # 3. Only what is inside a seal says what the caller gave.
        has_call = opened.event.dedup is not None and opened.sealed and seen is not Sighting.SAME
        call = self._recognition.of_call(opened.event, opened.proven) if has_call else Sighting.NEW
        if call is Sighting.SAME:
            self.counts.repeats += 1
            if not rules.repeats:
                return
        # 4.
        yield opened
        if seen is Sighting.RIVAL and not opened.is_foreign:
            yield self._conflict(opened, "another record in the same place of the same stream was shown before")
        if call is Sighting.RIVAL:
            yield self._conflict(
                opened, "an event of another content, logged with the same value of dedup, was shown before"
            )

    def _is_left_out(self, seen: Sighting) -> bool:
        """Return whether a record is left out as a copy, and count it."""
        if seen is not Sighting.SAME or self._rules.duplicates:
            return False
        self.counts.copies += 1
        return True

    def _conflict(self, opened: OpenedEvent, reason: str) -> DamagedRecord:
        self.counts.conflicts += 1
        event = opened.event
        message = (
            f"conflict: {reason} (producer {event.producer}, sequence {event.sequence}); at most one of them is what was "
            "logged: `telemetry verify` with the public key shows which"
        )
        return DamagedRecord(opened.place, ConflictError(message), opened.raw)

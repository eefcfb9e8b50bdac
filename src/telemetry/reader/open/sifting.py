"""Decides which entries are shown: drops copies and repeats, names conflicts, and keeps foreign records out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from telemetry.exceptions import ConflictError
from telemetry.format.proof.merkle import leaf_hash
from telemetry.format.value.features import RELAYED
from telemetry.reader.entry import DamagedRecord, EndedRun, Entry, OpenedEvent, RedactedEvent, SealedEntry
from telemetry.reader.open.fingerprints import Sighting
from telemetry.reader.open.recognition import Recognition
from telemetry.reader.open.rules import ReadCounts, ReadingRules
from telemetry.reader.open.worth import EntryJudge
from telemetry.reader.proof.index import ProofIndex

MAX_DOUBTFUL = 1_000
"""Foreign records that are kept because they may be what is left of a signed one."""

_RIVAL = "at most one of them is what was logged: `telemetry verify` with the public key shows which"
_CALLS = "both may have been logged: a key was used for two calls, or a file was imported again with another mapping; compare them"

_NO_REPEAT = Sighting.NEW, Sighting.NEW


class EntrySieve:
    """Sifts the entries of one reading.

    Args:
        rules: What is shown.
        index: What trusted keys have signed; None judges nothing.

    Attributes:
        counts: What was found so far.
    """

    def __init__(self, rules: ReadingRules, index: ProofIndex | None = None) -> None:
        self._rules = rules
        self._judge = EntryJudge(rules, index)
        self._recognition = Recognition()
        self._doubtful: list[DamagedRecord] = []
        self._more_doubtful = 0
        self.counts = ReadCounts()

    def sift(self, entry: Entry) -> Iterator[Entry]:
        """Yield an entry if it is shown, and what has to be said about it.

        Raises:
            StorageError: What is remembered of earlier records does not fit into memory, and cannot be written to disk.
        """
        self.counts.records += 1
        if isinstance(entry, OpenedEvent):
            leaf = leaf_hash(entry.raw.value or b"")
            yield from self._event(self._judge.event(entry, leaf), leaf)
        elif isinstance(entry, SealedEntry):
            seen = self._recognition.of_bytes(entry.raw)
            judged = self._judge.sealed(entry)
            if seen is not Sighting.SAME:
                self._judge.find(judged)
            if not self._is_left_out(seen):
                yield judged
        elif isinstance(entry, DamagedRecord):
            yield from self._damaged(self._judge.damaged(entry))
        elif isinstance(entry, RedactedEvent):
            yield from self._redacted(self._judge.redacted(entry))
        elif isinstance(entry, EndedRun):
            self.counts.ended += entry.end - entry.first
            yield entry
        else:
            self.counts.checkpoints += 1
            yield entry

    def finish(self) -> Iterator[Entry]:
        """Yield the foreign records that count after all: records that were signed are absent, and these may be left of them."""
        if not self._judge.lacks_events:
            return
        self.counts.foreign -= len(self._doubtful) + self._more_doubtful
        self.counts.damaged += len(self._doubtful) + self._more_doubtful
        for entry in self._doubtful:
            yield replace(entry, is_foreign=False)

    def close(self) -> None:
        """Forget what was seen."""
        self._recognition.close()

    def _event(self, opened: OpenedEvent, leaf: bytes) -> Iterator[Entry]:
        """Sift an event.

        1. A foreign one is left out, unless foreign records are shown.
        2. A copy of a record that was shown is left out.
        3. A repeat is left out: of a call, or of an outbox row that was relayed twice. Another event that claims its value
           or its id is a conflict.
        4. It is shown. If it claims the place of another record, that is a conflict.
        """
        rules = self._rules
        # 1.
        if opened.is_foreign:
            self.counts.foreign += 1
            if not rules.foreign:
                return
        # 2.
        seen = self._recognition.of_event(opened, leaf)
        if seen is not Sighting.SAME:
            self._judge.find(opened)
        if self._is_left_out(seen):
            return
        # 3.
        call, row = self._repeats(opened) if seen is not Sighting.SAME else _NO_REPEAT
        if Sighting.SAME in (call, row):
            self.counts.repeats += 1
            if not rules.repeats:
                return
        # 4.
        yield opened
        if seen is Sighting.RIVAL and not opened.is_foreign:
            yield self._conflict(opened, "another record in the same place of the same stream was shown before", _RIVAL)
        if row is Sighting.RIVAL:
            yield self._conflict(opened, "another event of an outbox with the same id was shown before", _RIVAL)
        if call is Sighting.RIVAL:
            yield self._conflict(
                opened, "an event of another content, logged with the same idempotency key, was shown before", _CALLS
            )

    def _repeats(self, opened: OpenedEvent) -> tuple[Sighting, Sighting]:
        """Return whether the call, and the outbox row, of an event were seen before."""
        event = opened.event
        # Only what is inside a seal says what the caller gave.
        has_call, has_row = event.dedup is not None and opened.sealed, RELAYED in event.features
        row = self._recognition.of_row(opened) if has_row else Sighting.NEW
        # The second record of a row has the dedup value of the first one.
        if row is Sighting.SAME or not has_call:
            return Sighting.NEW, row
        return self._recognition.of_call(event, opened.proven), row

    def _redacted(self, entry: RedactedEvent) -> Iterator[Entry]:
        seen = self._recognition.of_redacted(entry)
        if seen is not Sighting.SAME:
            self._judge.find(entry)
        if not self._is_left_out(seen):
            self.counts.redacted += 1
            yield entry

    def _damaged(self, entry: DamagedRecord) -> Iterator[Entry]:
        if not entry.is_foreign:
            self.counts.damaged += 1
            yield entry
            return
        self.counts.foreign += 1
        if self._rules.foreign:
            yield entry
        elif len(self._doubtful) < MAX_DOUBTFUL:
            self._doubtful.append(entry)
        else:
            self._more_doubtful += 1

    def _is_left_out(self, seen: Sighting) -> bool:
        """Return whether a record is left out as a copy, and count it."""
        if seen is not Sighting.SAME or self._rules.duplicates:
            return False
        self.counts.copies += 1
        return True

    def _conflict(self, opened: OpenedEvent, reason: str, remedy: str) -> DamagedRecord:
        self.counts.conflicts += 1
        event = opened.event
        message = f"conflict: {reason} (producer {event.producer}, sequence {event.sequence}); {remedy}"
        return DamagedRecord(opened.place, ConflictError(message), opened.raw)

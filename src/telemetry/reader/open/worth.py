"""Says what an entry is worth: whether it is proven, and whether it belongs to the trail at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from telemetry.exceptions import EncryptionError, KeyMismatchError, NewerReaderNeededError, UnknownKeysError
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import SEALED, source_of
from telemetry.reader.entry import DamagedRecord, OpenedEvent, Proven, RedactedEvent, SealedEntry
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.places import StreamPlace

_SEALED = b'"datacontenttype":"%b"' % SEALED.encode()
_PRODUCER = b'"producer":'
_source = lru_cache(maxsize=1_024)(source_of)


class EntryJudge:
    """Judges entries.

    Args:
        rules: What is expected here.
        index: What trusted keys have signed; None judges nothing.
    """

    def __init__(self, rules: ReadingRules, index: ProofIndex | None) -> None:
        self._rules = rules
        self._index = index

    def event(self, opened: OpenedEvent, leaf: bytes) -> OpenedEvent:
        """Return an event with what it is worth.

        Args:
            opened: The event.
            leaf: Leaf hash of its record.
        """
        if self._index is None:
            is_foreign = self._rules.needs_seals and not opened.sealed
            return replace(opened, is_foreign=True) if is_foreign else opened
        event, place = opened.event, _place_of(opened.event, leaf)
        proven = self._index.judge(place) or Proven.PENDING
        via = self._index.via(place) if proven is Proven.YES else None
        is_foreign = self._rules.needs_seals and not opened.sealed and proven is not Proven.YES
        is_foreign = is_foreign and not self._may_be_clear(opened)
        return OpenedEvent(event, opened.place, opened.sealed, opened.raw, proven, is_foreign, via)

    def sealed(self, entry: SealedEntry) -> SealedEntry:
        """Return an entry that stays sealed with what it is worth."""
        if self._index is None:
            return entry
        place = self._index.place_of(entry.raw)
        proven = self._index.judge(place) if place is not None else None
        return replace(entry, proven=proven or Proven.PENDING)

    def redacted(self, entry: RedactedEvent) -> RedactedEvent:
        """Return an event without its value with what its leaf hash is worth."""
        if self._index is None:
            return entry
        place = StreamPlace(entry.producer, entry.source, entry.sequence, entry.leaf)
        return replace(entry, proven=self._index.judge(place) or Proven.PENDING)

    def damaged(self, entry: DamagedRecord) -> DamagedRecord:
        """Return a damaged record, marked as foreign if no trusted stream is concerned.

        1. Without trusted keys, nothing tells the two apart. A key service that is away says nothing of the record. Where
           something signed says that a sound record must be there, it is missed.
        2. A record that claims no place in a trusted stream is foreign; so is what the source could not read. Where checkpoints
           are waited for, a place that nobody has signed for in the end is none: anyone can name the next number.
        3. What someone with a data key has sealed is a finding, in whatever stream: a key that was used elsewhere, or a
           feature that is not known here.
        """
        # 1.
        is_about_key_service = isinstance(entry.error, EncryptionError) and not isinstance(
            entry.error, (KeyMismatchError, UnknownKeysError)
        )
        if self._index is None or is_about_key_service or entry.is_vouched:
            return entry
        # 2.
        place = self._index.place_of(entry.raw)
        if place is not None and self._index.is_trusted(place.producer):
            # Before the producer there is nothing that a writer in the clear could choose.
            is_sealed = _SEALED in (entry.raw.value or b"").partition(_PRODUCER)[0]
            if (
                self._rules.proof_wait is not None
                or self._index.is_signed(place)
                or (isinstance(entry.error, NewerReaderNeededError) and is_sealed)
            ):
                return entry
        # 3.
        if place is not None and self._index.refusal(place, entry.raw.value or b""):
            return entry
        return replace(entry, is_foreign=True)

    def find(self, entry: OpenedEvent | SealedEntry | RedactedEvent) -> None:
        """Count an event; called once for each that was read."""
        if self._index is not None and entry.proven is Proven.YES:
            place = self._index.place_of(entry.raw)
            if isinstance(entry, OpenedEvent):
                place = _place_of(entry.event, b"")
            elif isinstance(entry, RedactedEvent):
                place = StreamPlace(entry.producer, entry.source, entry.sequence, entry.leaf)
            if place is not None:
                self._index.find(place)

    @property
    def lacks_events(self) -> bool:
        """Whether signed events are absent that should have been read."""
        return self._index is not None and self._index.lacking > 0

    def _may_be_clear(self, opened: OpenedEvent) -> bool:
        """Return whether the policy admits an event in the clear: its service did not seal at that time."""
        policy, event = self._rules.policy, opened.event
        until = policy.clear_until(source_of(event.environment, event.service_name)) if policy is not None else None
        if policy is None or until is None:
            return False
        # The time in a clear event is whatever its writer wants; the broker's is not, where it is known.
        appended = opened.raw.append_time
        return _parsed(event.time) < until and (
            appended is None or appended < until.timestamp() + policy.late.total_seconds()
        )


def _place_of(event: AuditEvent, leaf: bytes) -> StreamPlace:
    return StreamPlace(event.producer, _source(event.environment, event.service_name), event.sequence, leaf)


def _parsed(time: str) -> datetime:
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo is not None else datetime.max.replace(tzinfo=UTC)

"""Selects the events of a pack: reads the trail once, and keeps what meets the conditions, or a sample of it."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import NamedTuple

from telemetry.evidence.pack.manifest import MAX_EVENTS, MAX_POPULATION, CountFacts
from telemetry.evidence.pack.sample import Sample
from telemetry.evidence.request import EvidenceRequest
from telemetry.exceptions import ConfigurationError, EncryptionError, KeyMismatchError, Problem
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.disclosure import Disclosure
from telemetry.format.value.event import AuditEvent
from telemetry.reader import DamagedRecord, Entry, OpenedEvent, SealedEntry
from telemetry.reader.open.rules import ReadCounts

MAX_KEPT_BYTES = 256 << 20
"""Bytes of the records of selected events together: they are opened in memory."""


class Selected(NamedTuple):
    """An event that was selected.

    Attributes:
        event_id: UUIDv7.
        opened: The event; None where it stays sealed.
        disclosure: What shows its content without a key; None where it was not logged as disclosable.
    """

    event_id: str
    opened: OpenedEvent | None
    disclosure: Disclosure | None = None

    @property
    def size(self) -> int:
        """Bytes of its record; 0 where it stays sealed, because nothing of it is kept then."""
        return len(self.opened.raw.value or b"") if self.opened is not None else 0

    @property
    def event(self) -> AuditEvent | None:
        """The event; None where it stays sealed."""
        return self.opened.event if self.opened is not None else None


class Selection:
    """The events of a pack.

    Args:
        request: Which events.
        own: Id of the event that records this read, which is no part of what was asked for; None for none.
    """

    def __init__(self, request: EvidenceRequest, *, own: str | None) -> None:
        self._request = request
        self._own = own
        self._sample = request.sample
        # By rank where a sample is drawn: the highest rank is the first to go.
        self._ranked: list[tuple[bytes, str]] = []
        self._kept: dict[str, Selected] = {}
        self._ids: set[str] = set()
        self._bytes = 0
        self._lost: Counter[str] = Counter()

    def add(self, entry: Entry) -> None:
        """Look at an entry of the trail.

        Raises:
            ConfigurationError: More events are selected than a pack, or the population of a sample, can have.
        """
        if isinstance(entry, OpenedEvent):
            self._select(Selected(entry.event.id, entry if self._request.content else None), entry.event.time)
        elif isinstance(entry, SealedEntry):
            self._select(Selected(entry.event_id, None), entry.time)
        elif isinstance(entry, DamagedRecord) and not entry.is_foreign:
            error = entry.error
            # A key service that refuses or is away says nothing about the record; the key of another record does.
            is_unopened = isinstance(error, EncryptionError) and not isinstance(error, KeyMismatchError)
            self._lost["unopened" if is_unopened else "damaged"] += 1

    @property
    def events(self) -> list[Selected]:
        """The events, in the order of their ids."""
        return [self._kept[event_id] for event_id in sorted(self._kept)]

    @property
    def population(self) -> frozenset[str]:
        """Ids of the events that met the conditions."""
        return frozenset(self._ids)

    def counts(self, read: ReadCounts) -> CountFacts:
        """Return what became of the records.

        Args:
            read: What the reader of the trail left out.
        """
        return CountFacts(
            selected=len(self._ids),
            damaged=self._lost["damaged"],
            unopened=self._lost["unopened"],
            foreign=read.foreign,
        )

    def _select(self, selected: Selected, time: str) -> None:
        event_id, wanted = selected.event_id, self._request.filter
        if event_id == self._own or event_id in self._ids:
            return
        # What stays sealed was not filtered by the trail.
        is_outside = (wanted.since and time < wanted.since) or (wanted.until and time > wanted.until)
        if is_outside or (wanted.ids and event_id not in wanted.ids):
            return
        # Anyone may write a record that names any text as its id; no proof and no file could have its name.
        if not is_uuid(event_id):
            self._lost["damaged"] += 1
            return
        self._ids.add(event_id)
        if self._sample is not None:
            self._draw(selected, self._sample)
            return
        if len(self._ids) > MAX_EVENTS:
            reason = f"more than {MAX_EVENTS:,} events are selected"
            raise ConfigurationError(Problem("events", reason, "narrow the filters, or draw a sample with --sample"))
        self._keep(selected)

    def _draw(self, selected: Selected, sample: Sample) -> None:
        if len(self._ids) > MAX_POPULATION:
            reason = f"the sample would be drawn from more than {MAX_POPULATION:,} events"
            raise ConfigurationError(Problem("events", reason, "narrow the filters"))
        rank = sample.rank(selected.event_id)
        # A heap of negated ranks: its first is the one that goes.
        negated = bytes(255 - byte for byte in rank)
        if len(self._ranked) < sample.size:
            heapq.heappush(self._ranked, (negated, selected.event_id))
        elif negated > self._ranked[0][0]:
            _, dropped = heapq.heapreplace(self._ranked, (negated, selected.event_id))
            self._bytes -= self._kept.pop(dropped).size
        else:
            return
        self._keep(selected)

    def _keep(self, selected: Selected) -> None:
        self._kept[selected.event_id] = selected
        self._bytes += selected.size
        if self._bytes > MAX_KEPT_BYTES:
            reason = f"the selected events have more than {MAX_KEPT_BYTES >> 20} MiB together"
            raise ConfigurationError(Problem("events", reason, "select fewer, or leave them sealed with --sealed"))

"""Collects records for the next fallback object, and says when it is due and which records it gets."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import uuid_utils

from telemetry.audit.fallback.object_form import ObjectForm, PlainForm
from telemetry.audit.record import SealedRecord
from telemetry.audit.values import values_of
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.stored_name import WAITING, object_name
from telemetry.format.proof.leaves import as_text

_PAUSED_BYTES = 8 << 20
"""So much may gather while new objects are paused; with more, memory is the greater concern."""


@dataclass(slots=True)
class PendingObject:
    """An object on its way to the store.

    Attributes:
        name: Its name in the store.
        records: Its records, in order.
        reason: Why Kafka did not accept them, in one word.
        data: Its bytes; empty until they are encoded, and the same for every attempt to write it.
        failed: Whether its write failed and is not running now; only then may its records be taken back.
        opened_at: When its oldest record was added, in monotonic seconds.
        begun_at: When it was cut, in monotonic seconds.
    """

    name: str
    records: list[SealedRecord]
    reason: str
    data: bytes = b""
    failed: bool = False
    opened_at: float = 0.0
    begun_at: float = 0.0


class ObjectBuffer:
    """Records that are in no object yet, in order. Its owner calls every method under one lock.

    Args:
        topic: Topic of the records.
        max_bytes: An object is due when its records reach this size ...
        max_seconds: ... or when the first of them has waited this long.
        form: Form in which objects are stored.
    """

    def __init__(self, *, topic: str, max_bytes: int, max_seconds: float, form: ObjectForm | None = None) -> None:
        self._topic = topic
        self._form = form if form is not None else PlainForm()
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._groups: dict[str, deque[SealedRecord]] = {}
        self._round: dict[str, deque[SealedRecord]] = {}
        self._count = 0
        self._bytes = 0
        self._opened_at = 0.0
        self._paused_until = 0.0
        self._reason = ""

    def __len__(self) -> int:
        """How many records are in no object yet."""
        return self._count

    @property
    def oldest(self) -> float | None:
        """When the oldest record was added, in monotonic seconds; None while there is none."""
        return self._opened_at if self._count else None

    def add(self, records: Sequence[SealedRecord], *, reason: str, now: float) -> None:
        """Append records.

        Args:
            records: They follow those that were added before.
            reason: Why Kafka did not accept them, in one word; an object states the latest reason.
            now: Monotonic seconds.
        """
        if not self._count:
            self._opened_at = now
        self._reason = reason
        for producer, group in groupby(records, key=attrgetter("producer")):
            self._groups.setdefault(producer, deque()).extend(group)
        self._count += len(records)
        self._bytes += sum(record.size for record in records)

    def pause(self, until: float) -> None:
        """Let no object become due before ``until``, in monotonic seconds, unless many bytes come in."""
        self._paused_until = until

    def seconds_until_due(self, now: float) -> float:
        """Return after how many seconds the next object is due; 0 or less if it is now. There must be a record."""
        # 1. A pause delays everything, as long as memory allows. 2. A full object is due, and so is the rest of a round.
        # 3. Otherwise time decides.
        paused = self._paused_until - now
        if paused > 0 and self._bytes < max(self._max_bytes, _PAUSED_BYTES):
            return paused
        if self._round or self._bytes >= self._max_bytes:
            return 0.0
        return self._opened_at + self._max_seconds - now

    def cut(self, now: float) -> PendingObject:
        """Take out the records of the producer whose turn it is, as many as fit, at least one, for an object.

        An object has one producer, named in its header. Where records of several wait, a round begins: each producer's
        records that are there by now become objects of their own, one producer after the other in the order in which they came.
        What comes in meanwhile waits for the next round, so that no record overtakes an earlier one of its key.
        """
        if not self._round and len(self._groups) > 1:
            self._round, self._groups = self._groups, {}
        turns = self._round or self._groups
        producer, waiting = next(iter(turns.items()))
        records, size = self._fitting(waiting)
        if not waiting:
            del turns[producer]
        pending = PendingObject(self._name(records), records, self._reason, opened_at=self._opened_at, begun_at=now)
        self._count -= len(records)
        self._bytes -= size
        # What is left begins a new wait, unless it is part of a round or fills a further object: that one is due at once.
        self._opened_at = now
        return pending

    def _fitting(self, waiting: deque[SealedRecord]) -> tuple[list[SealedRecord], int]:
        records = [waiting.popleft()]
        size = records[0].size
        while waiting and size + waiting[0].size <= self._max_bytes:
            size += waiting[0].size
            records.append(waiting.popleft())
        return records, size

    def take_all(self) -> list[SealedRecord]:
        """Take out every record, in order."""
        groups = [*self._round.values(), *self._groups.values()]
        self._round, self._groups = {}, {}
        self._count = self._bytes = 0
        return [record for group in groups for record in group]

    def encode(self, pending: PendingObject) -> None:
        """Write out an object's bytes, once; needs no lock.

        Raises:
            EncryptionError: There is no key to seal it under now.
        """
        if pending.data:
            return
        records = pending.records
        stored = [
            StoredRecord(record.key, value, record.sequence, as_text(record.leaves))
            for record, value in zip(records, values_of(records), strict=True)
        ]
        pending.data = self._form.encode(stored, topic=self._topic, producer=records[0].producer, reason=pending.reason)

    def _name(self, records: Sequence[SealedRecord]) -> str:
        created = uuid_utils.uuid7()
        sequences = [record.sequence for record in records if record.sequence is not None]
        # The name states the bounds of the sequences, in order, since they were added in order.
        name = object_name(
            self._topic,
            created_uuid7=str(created),
            day=time.strftime("%Y/%m/%d", time.gmtime(created.timestamp / 1_000)),
            producer=records[0].producer,
            first=sequences[0] if sequences else None,
            last=sequences[-1] if sequences else None,
            shelf=self._form.shelf,
        )
        return self._form.shelf.below(WAITING, name)

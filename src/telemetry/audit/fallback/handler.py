"""Stores events while Kafka cannot take them, merged into objects of a sensible size."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

import uuid_utils

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.values import values_of
from telemetry.exceptions import StorageError
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import object_name
from telemetry.storage import StorageProvider
from telemetry.system.backoff import Backoff

logger = logging.getLogger("telemetry.fallback")

_IDLE_SECONDS = 3_600.0
_HELD_BYTES = 8 << 20


class StoredBatch(NamedTuple):
    """An object that this process stored and that is not replayed yet.

    Attributes:
        events: How many events it holds.
        size: Its bytes.
        stored_at: Monotonic seconds.
    """

    events: int
    size: int
    stored_at: float


@dataclass(slots=True)
class _Pending:
    """An object on its way to the store."""

    name: str
    data: bytes
    records: list[SealedRecord]
    failed: bool = False


class FallbackHandler:
    """Collects records, writes them as objects, and settles them once the store has acknowledged.

    Until then they stay in memory (and in the spool, where there is one), in order. A store that fails is tried again
    without end; the pipeline's bounds then make ``log()`` wait and raise.

    Args:
        store: Where objects go.
        provider: The store's name, for metrics.
        topic: Where the records belong.
        ledger: Settles stored records.
        max_object_bytes: An object is written when its records reach this size ...
        max_object_seconds: ... or when the first of them waited this long.
    """

    def __init__(
        self,
        store: StorageProvider,
        *,
        provider: str,
        topic: str,
        ledger: Ledger,
        max_object_bytes: int,
        max_object_seconds: float,
    ) -> None:
        self._store = store
        self._provider = provider
        self._topic = topic
        self._ledger = ledger
        self._max_bytes = max_object_bytes
        self._max_seconds = max_object_seconds
        self._changed = threading.Condition()
        self._buffer: list[SealedRecord] = []
        self._buffered_bytes = 0
        self._opened_at = 0.0
        self._paused_until = 0.0
        self._reason = ""
        self._writing: _Pending | None = None
        self._flushing = False
        self._closing = False
        self._backoff = Backoff(first=0.2, longest=10.0)
        self._stored: dict[str, StoredBatch] = {}
        self._thread = threading.Thread(target=self._run, name="telemetry-fallback", daemon=True)
        self._thread.start()

    def add(self, records: Sequence[SealedRecord], *, reason: str) -> None:
        """Take records over, in order."""
        if not records:
            return
        with self._changed:
            if not self._buffer:
                self._opened_at = time.monotonic()
            self._reason = reason
            self._buffer.extend(records)
            self._buffered_bytes += sum(record.size for record in records)
            self._changed.notify_all()

    def queue_after(self, backlog: Iterable[WaitingObject]) -> None:
        """Keep what comes in behind objects that an earlier process stored, as if this one had stored them."""
        now = time.monotonic()
        with self._changed:
            for waiting in backlog:
                self._stored[waiting.name] = StoredBatch(waiting.events, waiting.size, now)

    def take_back(self) -> list[SealedRecord] | None:
        """Return the records that are in no object, in order, if nothing of this process waits for replay.

        An object whose write keeps failing is given up for this: should the store have it after all, its replay
        only makes duplicates.

        Returns:
            The records, or None while objects of this process are in the store or on their way.
        """
        with self._changed:
            writing = self._writing
            if self._stored or (writing is not None and not writing.failed):
                return None
            records = [*(writing.records if writing else ()), *self._buffer]
            self._writing = None
            self._clear_buffer()
            return records

    def pause_new_objects(self, seconds: float) -> None:
        """Begin no further object for a while, unless much comes in.

        Whoever replays asks for it when little is left: otherwise, under a steady load, there would always be one more
        object, and the way to Kafka would never be direct again.
        """
        with self._changed:
            self._paused_until = time.monotonic() + seconds

    def forget(self, name: str) -> None:
        """Note that an object was replayed, or set aside."""
        with self._changed:
            self._stored.pop(name, None)

    def keep_only(self, listing: Iterable[str]) -> None:
        """Note which objects the store still has.

        Args:
            listing: The names in the store. It must begin to list when it is asked for the first one: what is stored
                meanwhile may be in it or not.
        """
        with self._changed:
            known = set(self._stored)
        gone = known - known.intersection(listing)
        with self._changed:
            for name in gone:
                self._stored.pop(name, None)

    @property
    def is_drained(self) -> bool:
        """Whether the store holds nothing of this process."""
        return not self._stored

    def backlog(self) -> tuple[int, int, int, float]:
        """Return objects, events, bytes and the oldest age in seconds of what waits for replay."""
        with self._changed:
            stored = list(self._stored.values())
        oldest = min((batch.stored_at for batch in stored), default=None)
        age = time.monotonic() - oldest if oldest is not None else 0.0
        return len(stored), sum(batch.events for batch in stored), sum(batch.size for batch in stored), age

    def __len__(self) -> int:
        """How many records are in memory."""
        with self._changed:
            return len(self._buffer) + (len(self._writing.records) if self._writing is not None else 0)

    def flush(self, timeout: float) -> bool:
        """Write everything now; return False if something is left after ``timeout`` seconds."""
        give_up = time.monotonic() + timeout
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            while self._buffer or self._writing is not None:
                wait = give_up - time.monotonic()
                if wait <= 0:
                    break
                self._changed.wait(wait)
            self._flushing = False
            return not self._buffer and self._writing is None

    def close(self) -> list[SealedRecord]:
        """End the thread; return what is in no object."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_JOIN_SECONDS)
        with self._changed:
            rest = [*(self._writing.records if self._writing else ()), *self._buffer]
            self._writing = None
            self._clear_buffer()
        return rest

    def _run(self) -> None:
        while True:
            pending = self._next()
            if pending is None:
                return
            self._write(pending)

    def _next(self) -> _Pending | None:
        """Wait until an object is due; None when closing."""
        with self._changed:
            while not self._closing:
                if self._writing is not None:
                    return self._writing
                wait = self._until_due()
                if wait <= 0:
                    self._writing = self._merge()
                    return self._writing
                self._changed.wait(wait)
            return None

    def _until_due(self) -> float:
        if not self._buffer:
            return _IDLE_SECONDS
        if self._flushing:
            return 0
        held = self._paused_until - time.monotonic()
        if held > 0 and self._buffered_bytes < max(self._max_bytes, _HELD_BYTES):
            return held
        if self._buffered_bytes >= self._max_bytes:
            return 0
        return self._opened_at + self._max_seconds - time.monotonic()

    def _merge(self) -> _Pending:
        """Make an object of the first records in the buffer that belong to one producer and fit."""
        producer, size, count = self._buffer[0].producer, 0, 0
        for record in takewhile(lambda record: record.producer == producer, self._buffer):
            if count and size + record.size > self._max_bytes:
                break
            size += record.size
            count += 1
        pending = _as_object(self._buffer[:count], topic=self._topic, reason=self._reason)
        del self._buffer[:count]
        self._buffered_bytes -= size
        self._opened_at = time.monotonic() if self._buffered_bytes < self._max_bytes else 0.0
        return pending

    def _write(self, pending: _Pending) -> None:
        try:
            self._store.put(pending.name, pending.data)
        except StorageError as exc:
            self._note_failure(pending, exc)
            return
        except Exception as exc:  # noqa: BLE001 - a third party's store may raise anything; the events must not wait for nothing
            self._note_failure(pending, StorageError(f"the store failed with {type(exc).__name__}, a bug in it"))
            return
        with self._changed:
            taken_back = self._writing is not pending
            self._stored[pending.name] = StoredBatch(len(pending.records), len(pending.data), time.monotonic())
            self._writing = None
        if not taken_back:
            self._ledger.stored(pending.records, name=pending.name, provider=self._provider, reason=self._reason)
        if self._backoff.reset():
            logger.warning("the fallback store takes events again")
        with self._changed:
            self._changed.notify_all()

    def _note_failure(self, pending: _Pending, error: StorageError) -> None:
        if self._backoff.is_first:
            logger.error("the fallback store does not take events; they wait in memory and are tried again: %s", error)
        with self._changed:
            pending.failed = True
            self._changed.notify_all()
            give_up = time.monotonic() + self._backoff.next()
            while not self._closing and self._writing is pending and not self._flushing:
                wait = give_up - time.monotonic()
                if wait <= 0:
                    break
                self._changed.wait(wait)
            if self._flushing and not self._closing:
                self._changed.wait(_FLUSH_PAUSE)
            pending.failed = self._writing is not pending

    def _clear_buffer(self) -> None:
        self._buffer = []
        self._buffered_bytes = 0
        self._changed.notify_all()


_JOIN_SECONDS = 1.0
_FLUSH_PAUSE = 0.1


def _as_object(records: list[SealedRecord], *, topic: str, reason: str) -> _Pending:
    created = uuid_utils.uuid7()
    sequences = [record.sequence for record in records if record.sequence is not None]
    day = time.strftime("%Y/%m/%d", time.gmtime(created.timestamp / 1_000))
    name = object_name(
        topic,
        created_uuid7=str(created),
        day=day,
        producer=records[0].producer,
        first=sequences[0] if sequences else None,
        last=sequences[-1] if sequences else None,
    )
    stored = [
        StoredRecord(record.key, value, record.sequence)
        for record, value in zip(records, values_of(records), strict=True)
    ]
    data = encode_object(stored, topic=topic, producer=records[0].producer, reason=reason)
    return _Pending(name, data, records)

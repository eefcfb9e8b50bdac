"""Writes events as objects of a store: by topic, day, partition and offsets, each created once."""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from datetime import UTC, datetime
from typing import Any

import msgspec

from telemetry.exceptions import (
    StorageAccessDeniedError,
    StorageConflictError,
    StorageError,
    StorageLimitError,
    StorageNotFoundError,
    TargetAwayError,
    TargetError,
    TargetRefusedError,
)
from telemetry.forward.delivery import Batch, BatchRefusedError, Described, Parcel, Patience
from telemetry.forward.targets.web import batch_key
from telemetry.reader.entry import Entry, RawRecord
from telemetry.storage import StorageProvider
from telemetry.storage.names import storable_name

MAX_INFLATED = 256 << 20
"""Bytes of a former object that are compared with what is about to be written; of a larger one nothing is believed."""
MAX_LANES = 10_000
"""Partitions and days of which is remembered what a former forwarder wrote; more are looked for again."""

_LEVEL = 6
_GZIP_WINDOW = 31
_encode = msgspec.json.Encoder().encode


class ObjectStoreTarget:
    """Objects of JSON lines, compressed with gzip: ``TOPIC/YYYY/MM/DD/PARTITION/FIRST-LAST.jsonl.gz``.

    The day is that of the first event's arrival on the topic, so that an event has the same name at every attempt. What a
    forwarder that died had written and not committed is found again and not written twice, if it is the same.

    Args:
        store: The store; it is closed with this target.
    """

    name = "store"
    window = 1

    def __init__(self, store: StorageProvider) -> None:
        self._store = store
        # By lane, the lines that a former forwarder wrote beyond what was committed.
        self._ahead: dict[str, deque[bytes]] = {}

    def parcel(self, entry: Entry, raw: RawRecord, described: Described, document: Any) -> Parcel:
        """Return a line; a lane has one partition and one day."""
        place = raw.place
        arrived = datetime.fromtimestamp(raw.timestamp if raw.timestamp is not None else described.logged, UTC)
        partition = "none" if place.partition is None else f"{place.partition:05d}"
        lane = f"{storable_name(place.source)}/{arrived:%Y/%m/%d}/{partition}"
        return Parcel(described.id, entry, raw, _encode(document) + b"\n", lane)

    def send(self, batch: Batch) -> None:
        """Create the object of a batch; see :class:`telemetry.forward.delivery.Target`."""
        if len(self._ahead) >= MAX_LANES:
            self._ahead.clear()
        try:
            self._send(batch)
        except TargetError:
            # The next attempt finds out anew what is there.
            self._ahead.pop(batch[0].lane, None)
            raise

    def _send(self, batch: Batch) -> None:
        try:
            left = self._without_written(batch)
            if left:
                self._put(left)
        except (StorageLimitError, StorageConflictError) as exc:
            raise BatchRefusedError(type(exc).__name__) from exc
        except (StorageAccessDeniedError, StorageNotFoundError) as exc:
            raise TargetRefusedError(str(exc)) from exc
        except StorageError as exc:
            raise TargetAwayError(str(exc)) from exc

    def settle(self, patience: Patience) -> None:
        """Do nothing: an object that was created is durable."""

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _put(self, batch: Batch) -> None:
        data = gzip.compress(b"".join(parcel.content for parcel in batch), _LEVEL, mtime=0)
        name = _name(batch)
        try:
            self._store.put(f"{name}.jsonl.gz", data)
        except StorageConflictError:
            # The same offsets with other content: what is proven meanwhile, for example. Both are kept.
            self._store.put(f"{name}.{batch_key(batch)[:16]}.jsonl.gz", data)

    def _without_written(self, batch: Batch) -> Batch:
        """Return what no former object has; only the first objects after a start can have any of it."""
        lane = batch[0].lane
        for index, parcel in enumerate(batch):
            if lane not in self._ahead:
                self._ahead[lane] = self._written(lane, parcel.raw.place.offset)
            ahead = self._ahead[lane]
            if not ahead:
                return batch[index:]
            if ahead.popleft() != parcel.content:
                ahead.clear()
                return batch[index:]
            if not ahead:
                # All of that object was written; the next one may have been, too.
                del self._ahead[lane]
        return ()

    def _written(self, lane: str, first: int) -> deque[bytes]:
        """Return the lines of the largest former object that begins at an offset."""
        found = list(self._store.list(f"{lane}/{first:020d}-"))
        if not found:
            return deque()
        try:
            data = self._store.get(max(found, key=lambda stored: stored.size).name)
            inflated = zlib.decompressobj(_GZIP_WINDOW).decompress(data, MAX_INFLATED)
        except (StorageNotFoundError, StorageLimitError, zlib.error):
            return deque()
        return deque(inflated.splitlines(keepends=True))


def _name(batch: Batch) -> str:
    return f"{batch[0].lane}/{batch[0].raw.place.offset:020d}-{batch[-1].raw.place.offset:020d}"

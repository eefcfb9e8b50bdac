"""Writes events as objects of a store: by topic, day, partition and offsets, each created once."""

from __future__ import annotations

import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterable
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

_NAME = re.compile(r".*/(\d{20})-(\d{20})(?:\.[0-9a-f]+)?\.jsonl\.gz", re.ASCII | re.DOTALL)
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
        # By lane, the lines that were written before and not committed.
        self._ahead: dict[str, deque[bytes]] = {}
        # By lane, the last offset that came: a reading that begins anew brings some again.
        self._reached: dict[str, int] = {}

    def parcel(self, entry: Entry, raw: RawRecord, described: Described, document: Any) -> Parcel:
        """Return a line; a lane has one partition and one day."""
        place = raw.place
        arrived = datetime.fromtimestamp(raw.timestamp if raw.timestamp is not None else described.logged, UTC)
        partition = "none" if place.partition is None else f"{place.partition:05d}"
        lane = f"{storable_name(place.source)}/{arrived:%Y/%m/%d}/{partition}"
        return Parcel(described.id, entry, raw, _encode(document) + b"\n", lane)

    def send(self, batch: Batch) -> None:
        """Create the object of a batch; see :class:`telemetry.forward.delivery.Target`."""
        if len(self._reached) >= MAX_LANES:
            self._ahead.clear()
            self._reached.clear()
        lane = batch[0].lane
        if batch[0].raw.place.offset <= self._reached.get(lane, -1):
            self._ahead.pop(lane, None)
        self._reached[lane] = batch[-1].raw.place.offset
        try:
            self._send(batch)
        except TargetError:
            # The next attempt finds out anew what is there.
            self._ahead.pop(lane, None)
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
        """Return what no former object has; only the first batches of a reading can have any of it."""
        lane = batch[0].lane
        for index, parcel in enumerate(batch):
            if lane not in self._ahead:
                self._ahead[lane] = self._written(parcel)
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

    def _written(self, parcel: Parcel) -> deque[bytes]:
        """Return the lines of a former object from this parcel on; none if no object has it.

        The position of a group may be inside an object: Kafka's client commits while a batch is being confirmed.
        """
        offset = parcel.raw.place.offset
        beginning = [stored.name for stored in self._store.list(f"{parcel.lane}/{offset:020d}-")]
        for name in beginning or _covering(offset, (stored.name for stored in self._store.list(f"{parcel.lane}/"))):
            lines = self._lines(name)
            while lines:
                if lines[0] == parcel.content:
                    return lines
                lines.popleft()
        return deque()

    def _lines(self, name: str) -> deque[bytes]:
        try:
            data = self._store.get(name)
            inflated = zlib.decompressobj(_GZIP_WINDOW).decompress(data, MAX_INFLATED)
        except (StorageNotFoundError, StorageLimitError, zlib.error):
            return deque()
        return deque(inflated.splitlines(keepends=True))


def _covering(offset: int, names: Iterable[str]) -> list[str]:
    """Return the names of the objects that have this offset between their first and their last one."""
    found = ((name, _NAME.fullmatch(name)) for name in names)
    return [name for name, match in found if match is not None and int(match[1]) <= offset <= int(match[2])]


def _name(batch: Batch) -> str:
    return f"{batch[0].lane}/{batch[0].raw.place.offset:020d}-{batch[-1].raw.place.offset:020d}"

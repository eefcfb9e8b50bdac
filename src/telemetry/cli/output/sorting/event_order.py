"""Puts opened events into the order of their times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Self

import msgspec

from telemetry.cli.output.sorting.external_sort import ExternalSort
from telemetry.cli.output.sorting.sealed_run import SortKey
from telemetry.format.value.event import AuditEvent
from telemetry.reader import OpenedEvent, Place, Proven, RawRecord

_FRACTION = re.compile(r"\.(\d{1,9})")
_NO_TIME = 1 << 62
"""Seconds of an event whose time cannot be read: after all others."""
_MOST_SEQUENCE = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SortBy(StrEnum):
    """Orders of an export.

    Attributes:
        TIME: When the event was logged.
        OCCURRED: When it happened, as the caller said; else when it was logged.
        ARRIVAL: The order on the topic; nothing is sorted.
    """

    TIME = "time"
    OCCURRED = "occurred"
    ARRIVAL = "arrival"


class _Stored(msgspec.Struct, array_like=True):
    """An opened event without the bytes of its record: a mapping does not need them."""

    event: AuditEvent
    place: Place
    sealed: bool
    key: bytes | None
    timestamp: float | None
    append_time: float | None
    proven: Proven
    is_foreign: bool
    via: str | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Stored).decode


class EventOrder:
    """Sorts events by time; events of one time by producer and sequence, copies of one event by their places.

    Args:
        by: The time that counts.
        sort: Sorts the events; it is closed with this object.
    """

    def __init__(self, by: SortBy, *, sort: ExternalSort | None = None) -> None:
        self._by = by
        self._sort = sort or ExternalSort()

    def add(self, opened: OpenedEvent) -> None:
        """Add an event.

        Raises:
            StorageError: The disk is full, or a temporary file cannot be written.
        """
        raw = opened.raw
        stored = _Stored(
            opened.event,
            opened.place,
            opened.sealed,
            raw.key,
            raw.timestamp,
            raw.append_time,
            opened.proven,
            opened.is_foreign,
            opened.via,
        )
        self._sort.add(self._key(opened), _encode(stored))

    def __iter__(self) -> Iterator[OpenedEvent]:
        """Yield the events, the earliest first; the values of their records are left out.

        Raises:
            StorageError: A temporary file cannot be read.
        """
        for item in self._sort:
            stored = _decode(item)
            raw = RawRecord(stored.key, None, stored.place, stored.timestamp, (), stored.append_time)
            yield OpenedEvent(
                stored.event, stored.place, stored.sealed, raw, stored.proven, stored.is_foreign, stored.via
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sort.close()

    def _key(self, opened: OpenedEvent) -> SortKey:
        event, place = opened.event, opened.place
        occurred = event.occurred_at if self._by is SortBy.OCCURRED else None
        partition = -1 if place.partition is None else place.partition
        return (
            *instant(occurred or event.time),
            event.producer,
            min(event.sequence, _MOST_SEQUENCE),
            place.source,
            partition,
            place.offset,
            place.name or "",
        )


def instant(time: str) -> tuple[int, int]:
    """Return a time as seconds since the epoch and nanoseconds.

    Args:
        time: RFC 3339, with up to nine digits of a second's fraction; without an offset it is UTC.
    """
    try:
        moment = datetime.fromisoformat(time)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        return _NO_TIME, 0
    fraction = _FRACTION.search(time)
    return since.days * 86_400 + since.seconds, int(fraction[1].ljust(9, "0")) if fraction else 0

"""Creates what a forwarder sends, without a trail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from telemetry.forward.delivery import Batch, Parcel, Target
from telemetry.forward.rendering import OpenedRendering
from telemetry.reader import OpenedEvent, Place, RawRecord
from telemetry.reader.mappings import EVENT, Schema
from tests.support.some_events import make_event


def event_id(number: int) -> str:
    return f"0198c0de-1111-7222-8333-{number:012d}"


def entry(number: int, *, partition: int = 0, timestamp: float = 1_769_860_800.0, **fields: Any) -> OpenedEvent:
    """Return an opened event at an offset."""
    place = Place("audit-events", partition, number)
    event = make_event(id=event_id(number), **fields)
    raw = RawRecord(b"user-1:shop", b'{"sealed":"%d"}' % number, place, timestamp)
    return OpenedEvent(event, place, sealed=True, raw=raw)


def batch(target: Target, numbers: Iterable[int], *, schema: Schema = EVENT, **fields: Any) -> Batch:
    """Return a batch of events in a target's form."""
    rendering = OpenedRendering(schema)
    return [parcel for number in numbers if (parcel := parcel_of(rendering, target, number, **fields)) is not None]


def parcel_of(rendering: OpenedRendering, target: Target, number: int, **fields: Any) -> Parcel | None:
    return rendering.parcel(entry(number, **fields), target)


class Patient:
    """Waits no longer than a moment, and gives up after so many times."""

    def __init__(self, times: int = 1_000) -> None:
        self.waits: list[float] = []
        self._times = times

    def pause(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return len(self.waits) >= self._times

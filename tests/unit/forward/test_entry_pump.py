"""Entries are read ahead as far as a bound allows; a failure comes after everything that was read before it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry.exceptions import TransportError
from telemetry.forward import entry_pump
from telemetry.forward.entry_pump import EntryPump
from telemetry.reader import OpenedEvent
from tests.support.parcels import entry
from tests.support.until import until


def test_entries_come_in_order_and_end() -> None:
    with EntryPump([entry(number) for number in range(50)]) as pump:
        found = [pump.take(30.0) for _ in range(50)]
        assert pump.take(30.0) is None
        assert pump.is_ended
    assert [each.place.offset for each in found if each is not None] == list(range(50))


def test_reading_stops_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_pump, "MAX_ENTRIES", 5)
    read: list[int] = []

    def entries() -> Iterator[OpenedEvent]:
        for number in range(100):
            read.append(number)
            yield entry(number)

    with EntryPump(entries()) as pump:
        until(lambda: len(read) == 6)
        assert pump.take(30.0) is not None
        until(lambda: len(read) == 7)
        assert not pump.is_ended
    assert len(read) == 7


def test_failure_comes_last() -> None:
    def entries() -> Iterator[OpenedEvent]:
        yield entry(0)
        message = "Kafka is away"
        raise TransportError(message)

    with EntryPump(entries()) as pump:
        assert pump.take(30.0) is not None
        with pytest.raises(TransportError, match="away"):
            pump.take(30.0)
        assert not pump.is_ended

"""What a program counts is read at each collection, and no longer when it has ended."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.audit.metrics.tally_instruments import TallyInstruments


class Tally:
    """Counts upwards with each reading."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = iter(range(10))

    def snapshot(self) -> int:
        return next(self._numbers)


def read(instruments: TallyInstruments[int], *, most: int = 10) -> list[tuple[float, object]]:
    found = instruments._reader(lambda counts: counts if counts < most else None)(None)  # type: ignore[arg-type]
    return [(each.value, each.attributes) for each in found]


def test_counts_of_the_moment_are_read_until_the_end() -> None:
    instruments = TallyInstruments[int](Tally(), gauges={}, counters={}, attributes={"topic": "a"})

    assert [read(instruments), read(instruments)] == [[(0, {"topic": "a"})], [(1, {"topic": "a"})]]
    assert read(instruments, most=0) == []
    instruments.end()
    assert read(instruments) == []

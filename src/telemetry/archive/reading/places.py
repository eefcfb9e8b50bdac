"""Remembers which places of the topic and the fallback store were read, as runs of offsets."""

from __future__ import annotations

from bisect import bisect_right

from telemetry.reader.entry import Place


class PlaceSet:
    """Places that were read. Offsets that follow each other cost two numbers, however many they are."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, int | None, str | None], _Runs] = {}

    def add_all(self, places: list[Place]) -> None:
        """Add places, in any order."""
        offsets: dict[tuple[str, int | None, str | None], list[int]] = {}
        for source, partition, offset, name in places:
            offsets.setdefault((source, partition, name), []).append(offset)
        for stream, numbers in offsets.items():
            self._runs.setdefault(stream, _Runs()).add(numbers)

    def __contains__(self, place: Place) -> bool:
        runs = self._runs.get((place.source, place.partition, place.name))
        return runs is not None and runs.has(place.offset)

    @property
    def runs(self) -> int:
        """How many runs are remembered."""
        return sum(len(runs.firsts) for runs in self._runs.values())


class _Runs:
    """Numbers of one stream, as runs in order."""

    __slots__ = ("ends", "firsts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.ends: list[int] = []

    def has(self, number: int) -> bool:
        at = bisect_right(self.firsts, number) - 1
        return at >= 0 and number < self.ends[at]

    def add(self, numbers: list[int]) -> None:
        numbers.sort()
        pieces = sorted([*zip(self.firsts, self.ends, strict=True), *_runs_of(numbers)])
        firsts, ends = [pieces[0][0]], [pieces[0][1]]
        for first, end in pieces[1:]:
            if first <= ends[-1]:
                ends[-1] = max(ends[-1], end)
            else:
                firsts.append(first)
                ends.append(end)
        self.firsts, self.ends = firsts, ends


def _runs_of(numbers: list[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as runs."""
    runs, first, last = [], numbers[0], numbers[0]
    for number in numbers:
        if number > last + 1:
            runs.append((first, last + 1))
            first = number
        last = number
    runs.append((first, last + 1))
    return runs

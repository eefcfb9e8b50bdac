"""The places of the last records are known, in whatever order they came, and in bounded memory."""

from __future__ import annotations

import pytest

from telemetry.reader.entry import Place
from telemetry.reader.verify.tree import recent_places as module
from telemetry.reader.verify.tree.recent_places import RecentPlaces


def place(sequence: int) -> Place:
    return Place("audit-events", 0, sequence)


def filled(start: int, end: int) -> RecentPlaces:
    """Return the places of records that came in sequence."""
    places = RecentPlaces()
    places.go_on(start, judged=0)
    places.run.extend(map(place, range(start, end)))
    return places


def known(places: RecentPlaces, end: int) -> list[int]:
    for sequence in range(end):
        assert places.get(sequence) in (None, place(sequence))
    return [sequence for sequence in range(end) if places.get(sequence) is not None]


def test_places_stay_when_the_sequence_goes_on_elsewhere() -> None:
    places = filled(5, 8)
    places.put(20, place(20))
    places.go_on(30, judged=0)
    places.run.append(place(30))
    assert known(places, 40) == [5, 6, 7, 20, 30]


def test_proven_records_are_forgotten() -> None:
    places = filled(0, 10)
    places.drop(4)
    places.go_on(10, judged=4)
    places.run.append(place(10))
    assert known(places, 20) == [4, 5, 6, 7, 8, 9, 10]
    places.drop(50)
    assert known(places, 20) == []


@pytest.mark.parametrize("end", [99, 100, 101, 250])
def test_last_places_are_kept_in_bounded_memory(end: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 100)
    places = filled(0, end)
    places.go_on(end, judged=0)
    assert len(places.run) <= 100
    assert known(places, end)[-50:] == list(range(end - 50, end))
    places.go_on(1_000, judged=0)
    for sequence in range(2_000, 2_200):
        places.put(sequence, place(sequence))
    assert len(places._apart) <= 100


def test_judged_records_make_room_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 100)
    places = RecentPlaces()
    for sequence in range(500, 600):
        places.put(sequence, place(sequence))
    places.go_on(0, judged=0)
    places.run.extend(map(place, range(40)))
    places.go_on(900, judged=580)
    assert known(places, 900) == list(range(580, 600))

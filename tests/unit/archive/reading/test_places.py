"""Places that were read are remembered as runs."""

from __future__ import annotations

import random

from telemetry.archive.reading.places import PlaceSet
from telemetry.reader import Place


def test_places_in_any_order_become_runs() -> None:
    chance = random.Random(5)  # noqa: S311 - the same order in each run
    offsets = list(range(1_000))
    chance.shuffle(offsets)
    places = PlaceSet()
    for start in range(0, 1_000, 100):
        places.add_all([Place("topic", 0, offset) for offset in offsets[start : start + 100]])

    assert places.runs == 1
    assert all(Place("topic", 0, offset) in places for offset in offsets)
    assert Place("topic", 0, 1_000) not in places
    assert Place("topic", 1, 7) not in places


def test_holes_stay_holes() -> None:
    places = PlaceSet()
    places.add_all([Place("topic", 0, offset) for offset in (1, 2, 5, 9, 8, 2)])
    places.add_all([Place("store", None, 3, "an object")])

    assert [offset for offset in range(11) if Place("topic", 0, offset) in places] == [1, 2, 5, 8, 9]
    assert places.runs == 4
    assert Place("store", None, 3, "an object") in places
    assert Place("store", None, 3, "another") not in places

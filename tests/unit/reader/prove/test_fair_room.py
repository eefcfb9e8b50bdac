"""Nobody can use up the room that others need."""

from __future__ import annotations

import pytest

from telemetry.reader.prove.fair_room import FairRoom


@pytest.mark.parametrize("total", [1, 2, 5, 100])
def test_single_party_gets_all_of_it(total: int) -> None:
    room = FairRoom(total, parties=1)
    held = 0
    while room.take(held):
        held += 1
    assert held == total


def test_greedy_party_leaves_each_its_share() -> None:
    room = FairRoom(100, parties=5)
    greedy = 0
    while room.take(greedy):
        greedy += 1
    assert greedy == 60
    for _ in range(4):
        assert [room.take(held) for held in range(11)] == [True] * 10 + [False]


def test_everyone_has_room_for_one() -> None:
    room = FairRoom(2, parties=10)
    assert [room.take(0) for _ in range(10)] == [True] * 10

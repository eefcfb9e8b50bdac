from __future__ import annotations

from telemetry.gateway.places import Places


def taken(places: Places, owner: str) -> int:
    """Return how many places an owner gets that wants all."""
    count = 0
    while places.take(owner):
        count += 1
    return count


def test_one_who_wants_all_gets_three_quarters() -> None:
    places = Places(100)
    assert taken(places, "payments") == 75
    assert places.take("orders")


def test_many_who_want_all_leave_one_for_another() -> None:
    places = Places(1_000)
    for number in range(4):
        assert taken(places, f"flood-{number}") > 0
    assert places.take("orders")


def test_single_place_is_for_the_first() -> None:
    places = Places(1)
    assert places.take("payments")
    assert not places.take("orders")
    places.give_back("payments")
    assert places.take("orders")


def test_what_is_given_back_may_be_taken_again() -> None:
    places = Places(8)
    first = taken(places, "payments")
    for _ in range(first):
        places.give_back("payments")
    assert places.taken == 0
    assert taken(places, "payments") == first

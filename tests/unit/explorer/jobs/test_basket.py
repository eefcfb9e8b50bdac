from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import pytest

from telemetry.evidence import MAX_EVENTS, Sample
from telemetry.exceptions import ConfigurationError
from telemetry.explorer.jobs.basket import MAX_CHOICES, Basket, Baskets, Drawing
from telemetry.reader import EventFilter
from tests.unit.explorer.jobs.works import session


def ids(count: int, *, start: int = 0) -> list[str]:
    return [f"0198c0de-0000-7000-8000-{number:012x}" for number in range(start, start + count)]


def drawing(*, wanted: EventFilter | None = None) -> Drawing:
    return Drawing(sample=Sample(size=3, seed="0" * 64), population=10, wanted=wanted)


def test_event_is_in_it_once() -> None:
    basket = Basket()

    assert basket.add(ids(2)) == 2
    assert basket.add(ids(3)) == 1
    assert basket.ids == tuple(ids(3))
    assert [choice.events for choice in basket.choices] == [3]


def test_events_beyond_its_room_are_refused_whole() -> None:
    basket = Basket()
    basket.add(ids(MAX_EVENTS - 1))

    with pytest.raises(ConfigurationError, match="room for 1 more"):
        basket.add(ids(2, start=MAX_EVENTS))

    assert len(basket) == MAX_EVENTS - 1
    assert basket.room == 1


@pytest.mark.parametrize(
    "odd",
    ["", "..", "0198c0de", "<script>", "a" * 10_000_000],
    ids=["empty", "dots", "short", "markup", "huge"],
)
def test_odd_id_is_refused(odd: str) -> None:
    basket = Basket()

    with pytest.raises(ConfigurationError) as refused:
        basket.add([*ids(1), odd])

    assert len(basket) == 0
    assert "<script>" not in str(refused.value)


def test_removed_event_is_gone() -> None:
    basket = Basket()
    basket.add(ids(3))

    assert basket.remove([ids(1)[0], "unknown", ids(1)[0]]) == 1
    assert basket.ids == tuple(ids(2, start=1))
    basket.empty()
    assert not basket.choices


def test_only_a_whole_sample_is_drawn_again() -> None:
    basket = Basket()
    basket.add(ids(3), conditions={}, drawing=drawing(wanted=EventFilter()))
    assert basket.drawing is not None

    basket.add(ids(1, start=3))
    assert basket.drawing is None

    basket.remove(ids(1, start=3))
    assert basket.drawing is None


def test_sample_with_a_removed_event_is_a_list() -> None:
    basket = Basket()
    basket.add(ids(3), conditions={}, drawing=drawing(wanted=EventFilter()))

    basket.remove(ids(1))

    assert basket.drawing is None


def test_sample_by_service_is_a_list() -> None:
    basket = Basket()
    basket.add(ids(3), conditions={"service": ["/production/shop"]}, drawing=drawing())

    assert basket.drawing is None
    assert basket.choices[0].describe() == {
        "events": 3,
        "search": {"service": ["/production/shop"]},
        "sample": {"size": 3, "seed": "0" * 64, "population": 10},
    }


def test_endless_choices_are_bounded() -> None:
    basket = Basket()
    for number in range(MAX_CHOICES):
        basket.add(ids(1, start=number), conditions={})

    with pytest.raises(ConfigurationError, match="remembered"):
        basket.add(ids(1, start=MAX_CHOICES), conditions={})

    assert len(basket) == MAX_CHOICES


def test_requests_at_once_never_overfill_it() -> None:
    basket = Basket()

    def add(number: int) -> int:
        try:
            return basket.add(ids(300, start=300 * number))
        except ConfigurationError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        added = sum(pool.map(add, range(16)))

    assert added == len(basket) == 900


def test_basket_belongs_to_one_session() -> None:
    baskets = Baskets()
    mine, other = session("ada"), session("ada")
    baskets.of(mine).add(ids(1))

    assert len(baskets.of(mine)) == 1
    assert len(baskets.of(other)) == 0

    del mine
    gc.collect()
    assert len(baskets._of) == 1

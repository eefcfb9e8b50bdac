"""A cache stays within its bytes, keeps what is in use, and drops some of the older half by chance."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.system.aged_cache import AgedCache


class Value(NamedTuple):
    text: str
    weight: int = 10


def filled(names: range, *, room: int) -> AgedCache[int, Value]:
    cache: AgedCache[int, Value] = AgedCache(room)
    for name in names:
        cache.put(name, Value(str(name)))
    return cache


def kept(cache: AgedCache[int, Value]) -> set[int]:
    return {name for name, _ in cache}


def test_value_is_found_until_discarded() -> None:
    cache = filled(range(3), room=100)
    assert cache.get(1) == Value("1")
    cache.discard(1)
    cache.discard(1)
    assert cache.get(1) is None
    assert (len(cache), cache.weight) == (2, 20)


def test_weight_never_exceeds_the_room() -> None:
    cache: AgedCache[int, Value] = AgedCache(1_000)
    names: list[int] = []
    for name in range(500):
        names += cache.put(name % 170, Value("", 1 + name * 7 % 90))
        cache.get(name * 31 % 170)
        assert cache.weight == sum(value.weight for _, value in cache) <= 1_000
        assert len(kept(cache)) == len(cache)
    assert names, "some gave way"


def test_value_in_use_stays() -> None:
    cache = filled(range(100), room=1_000)
    for name in range(100, 5_000):
        cache.get(7)
        cache.put(name, Value(""))
    assert cache.get(7) == Value("7")
    assert len(cache) == 100


def test_young_half_stays() -> None:
    cache = filled(range(1_000), room=1_000)
    assert kept(cache) >= set(range(950, 1_000))


def test_values_used_in_turn_are_found() -> None:
    cache: AgedCache[int, Value] = AgedCache(1_000)
    found = 0
    for _ in range(20):
        for name in range(110):
            found += cache.get(name) is not None
            if name not in kept(cache):
                cache.put(name, Value(""))
    # One that drops the oldest would find none of them.
    assert found > 500


def test_new_value_replaces_the_old() -> None:
    cache = filled(range(3), room=100)
    assert cache.put(1, Value("new", 30)) == []
    assert cache.get(1) == Value("new", 30)
    assert cache.weight == 50


def test_value_larger_than_the_room() -> None:
    cache = filled(range(3), room=100)
    assert sorted(cache.put(9, Value("", 101))) == [0, 1, 2, 9]
    assert (len(cache), cache.weight) == (0, 0)


def test_names_to_draw_from_do_not_grow() -> None:
    cache = filled(range(100), room=1_000)
    for turn in range(20_000):
        cache.get(turn % 100)
    assert len(cache) == 100
    assert len(cache._drawn_from) < 300


def test_cleared_cache_is_empty() -> None:
    cache = filled(range(100), room=500)
    cache.clear()
    assert (len(cache), cache.weight, kept(cache)) == (0, 0, set())
    cache.put(1, Value("again"))
    assert cache.get(1) == Value("again")

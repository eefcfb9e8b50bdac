from __future__ import annotations

from telemetry.encryption.subjects.key_cache import KeyCache, SubjectName
from telemetry.format.value.subject.subject_key import SubjectKey
from tests.support.subject_stores import SOURCE


def _key(number: int) -> SubjectKey:
    return SubjectKey(number.to_bytes(32, "big"), source=SOURCE)


def _name(number: int) -> SubjectName:
    return SubjectName(SOURCE, f"user-{number}")


def test_kept_key_is_found_by_a_plain_tuple() -> None:
    cache, key = KeyCache(10), _key(1)

    cache.put(_name(1), key)

    assert cache.get((SOURCE, "user-1")) is key
    assert cache.get((SOURCE, "user-2")) is None
    assert cache.has(key)


def test_cache_is_bounded() -> None:
    cache = KeyCache(10)

    for number in range(100):
        cache.put(_name(number), _key(number))

    assert len(cache) <= 10
    assert cache.get(_name(99)) is not None
    assert cache.get(_name(50)) is None
    assert not cache.has(_key(50))


def test_used_key_outlives_others() -> None:
    cache, key = KeyCache(10), _key(1_000)
    cache.put(_name(1_000), key)

    for number in range(100):
        cache.put(_name(number), _key(number))
        assert cache.get(_name(1_000)) is key


def test_dropped_key_is_denied_at_once() -> None:
    cache, keys = KeyCache(4), [_key(number) for number in range(4)]
    for number, key in enumerate(keys):
        cache.put(_name(number), key)

    cache.drop([keys[0].key_id, keys[3].key_id, "unknown"])

    assert [cache.has(key) for key in keys] == [False, True, True, False]
    assert [cache.get(_name(number)) is not None for number in range(4)] == [False, True, True, False]


def test_other_key_of_a_subject_replaces_the_first() -> None:
    cache, first, second = KeyCache(10), _key(1), _key(2)
    cache.put(_name(1), first)

    cache.put(_name(1), second)

    assert cache.get(_name(1)) is second
    assert not cache.has(first)
    assert len(cache) == 1


def test_cleared_cache_has_nothing() -> None:
    cache, key = KeyCache(10), _key(1)
    cache.put(_name(1), key)

    cache.clear()

    assert len(cache) == 0
    assert not cache.has(key)
    assert cache.get(_name(1)) is None

"""The table of fingerprints: exact in memory and in files, in any order, and bounded for one place."""

from __future__ import annotations

import hashlib
import random
import tracemalloc

import pytest

from telemetry.reader.open.fingerprints import MAX_CONTENTS, Fingerprints, Sighting


def _hash(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()[:8]


@pytest.mark.parametrize("max_rows", [16, 100, 1 << 20], ids=["many files", "some files", "memory"])
def test_says_what_was_seen(max_rows: int) -> None:
    table = Fingerprints(max_rows=max_rows, max_merges=50)
    known: dict[int, set[int]] = {}
    chance = random.Random(5)  # noqa: S311 - the same order in each run
    for _ in range(6_000):
        place, content = chance.randrange(2_000), chance.randrange(3)
        contents = known.setdefault(place, set())
        if content in contents:
            expected = Sighting.SAME
        else:
            expected = (Sighting.NEW, Sighting.RIVAL, Sighting.FURTHER)[len(contents)]
        contents.add(content)

        assert table.add(_hash(place), _hash(content)) is expected

    table.close()
    assert table.add(_hash(1), _hash(1)) is Sighting.NEW


def test_place_that_is_also_found_across_rows() -> None:
    table = Fingerprints()
    place = bytes(8)
    # Read from the middle of the first row on, its content and the next place are zeros too.
    table.add(bytes(7) + b"\x01", bytes(8))
    table.add(bytes(7) + b"\x02", bytes(8))

    assert table.add(place, _hash(1)) is Sighting.NEW
    assert table.add(place, _hash(1)) is Sighting.SAME


def test_contents_of_one_place_are_bounded() -> None:
    table = Fingerprints()
    seen = [table.add(_hash(0), _hash(number)) for number in range(3 * MAX_CONTENTS)]

    assert seen[:2] == [Sighting.NEW, Sighting.RIVAL]
    assert set(seen[2:]) == {Sighting.FURTHER}


def test_what_was_seen_long_ago_is_forgotten() -> None:
    table = Fingerprints(max_rows=64, max_merges=1)
    for number in range(10_000):
        table.add(_hash(number), b"12345678")

    # At most two runs of 128 rows, one of 64, and the memory.
    assert len(table._runs) <= 4
    assert table.add(_hash(9_800), b"12345678") is Sighting.SAME
    assert table.add(_hash(0), b"12345678") is Sighting.NEW
    table.close()


def test_memory_is_bounded() -> None:
    table = Fingerprints(max_rows=4_096)
    tracemalloc.start()
    try:
        for number in range(40_000):
            table.add(_hash(number), b"12345678")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        table.close()

    assert peak < 1 << 20

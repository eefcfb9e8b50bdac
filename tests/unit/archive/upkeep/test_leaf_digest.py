from __future__ import annotations

from telemetry.archive.rows.columns import Row, row
from telemetry.archive.upkeep.leaf_digest import LeafDigest
from tests.support.upkeep_rows import DAY, Rows, an_event

LEAVES = [bytes([number]) * 32 for number in range(9)]


def a_run(first: int, *leaves: bytes) -> Row:
    fixed = {"day": DAY, "service": "shop", "environment": "test", "kind": "ended", "producer": "a"}
    return row(**fixed, sequence=first, until=first + len(leaves), value=b"".join(leaves))


def events(*numbers: int) -> list[Row]:
    return [an_event("a", number, leaf=LEAVES[number]) for number in numbers]


def digest(rows: list[Row]) -> tuple[int, int]:
    found = LeafDigest()
    for table in Rows(rows, batch=2).tables():
        found.add(table)
    return found.leaves, found.total


def test_runs_are_the_leaves_in_them() -> None:
    expected = digest(events(*range(9)))

    assert expected[0] == 9
    assert digest([a_run(0, *LEAVES)]) == expected
    assert digest([a_run(0, *LEAVES[:4]), *events(4, 5), a_run(6, *LEAVES[6:])]) == expected


def test_copies_count_once() -> None:
    expected = digest(events(*range(9)))

    assert digest([*events(*range(9)), *events(3, 3)]) == expected
    assert digest([a_run(0, *LEAVES), *events(5)]) == expected
    assert digest([a_run(0, *LEAVES), a_run(2, *LEAVES[2:4])]) == expected


def test_rival_values_of_one_sequence_both_count() -> None:
    rival = an_event("a", 3, leaf=b"r" * 32)

    assert digest([*events(*range(9)), rival, rival])[0] == 10
    assert digest([a_run(0, *LEAVES), rival]) == digest([*events(*range(9)), rival])


def test_streams_are_told_apart() -> None:
    here, there = an_event("a", 0, leaf=LEAVES[0]), an_event("b", 0, leaf=LEAVES[0])
    elsewhere = an_event("a", 0, leaf=LEAVES[0], environment="other")

    assert len({digest([each]) for each in (here, there, elsewhere)}) == 3
    assert digest([here, elsewhere, here])[0] == 2

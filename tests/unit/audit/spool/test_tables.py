"""Two tables in turn: which one receives a pack, and when the other one may be emptied."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from telemetry.audit.spool.packing import Pack
from telemetry.audit.spool.tables import SCHEMA, TABLES, AlternatingTables


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    for statement in SCHEMA:
        memory.execute(statement)
    yield memory
    memory.close()


@pytest.fixture
def tables(connection: sqlite3.Connection) -> AlternatingTables:
    return AlternatingTables(connection, flip_bytes=100)


def pack(first: int, *, size: int = 60) -> Pack:
    return Pack(first, first + 9, b"x" * size)


def insert(tables: AlternatingTables, *packs: Pack) -> None:
    for each in packs:
        tables.change_roles()
        tables.insert(each)


def firsts(connection: sqlite3.Connection) -> list[list[int]]:
    queries = [f"SELECT first FROM {table}" for table in TABLES]  # noqa: S608 - constants
    return [[first for (first,) in connection.execute(query)] for query in queries]


def test_large_table_gives_way_to_the_other(tables: AlternatingTables, connection: sqlite3.Connection) -> None:
    insert(tables, pack(0), pack(10), pack(20))
    assert firsts(connection) == [[0, 10], [20]]


def test_large_table_stays_beside_a_full_one(tables: AlternatingTables, connection: sqlite3.Connection) -> None:
    insert(tables, *(pack(first) for first in range(0, 80, 10)))
    assert firsts(connection) == [[0, 10], [20, 30, 40, 50, 60, 70]]


def test_table_is_emptied_when_all_is_settled(tables: AlternatingTables, connection: sqlite3.Connection) -> None:
    assert not tables.may_empty(1_000), "nothing is in the other table"
    insert(tables, pack(0), pack(10), pack(20))
    assert not tables.may_empty(19), "position 19 is not settled"
    assert tables.may_empty(20)

    tables.empty_inactive()

    assert firsts(connection) == [[], [20]]
    assert not tables.may_empty(1_000)
    insert(tables, pack(30), pack(40))
    assert firsts(connection) == [[40], [20, 30]]


def test_only_later_packs_follow_all(tables: AlternatingTables) -> None:
    assert not tables.follows_all([])
    assert tables.follows_all([pack(0)])
    insert(tables, pack(0), pack(10), pack(20))
    assert tables.follows_all([pack(30)])
    assert not tables.follows_all([pack(29)])
    assert not tables.follows_all([pack(5)])


def test_packs_are_found_across_both_tables(tables: AlternatingTables) -> None:
    insert(tables, pack(0), pack(10), pack(20))
    positions, position = [], -1
    while stored := tables.next_after(position):
        position = stored[0]
        positions.append(position)
    assert positions == [0, 10, 20]
    last = [tables.last_before(table, 1_000) for table in TABLES]
    assert [stored[0] for stored in last if stored is not None] == [10, 20]
    assert tables.last_before(TABLES[1], 20) is None

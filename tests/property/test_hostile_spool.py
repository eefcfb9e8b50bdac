"""Throws hostile files into a spool folder: what the service itself left there is sent all the same, and once."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.producer import TreeState
from telemetry.audit.spool.adoption import adopt_segments
from telemetry.audit.spool.folder_state import STATE_NAME, FolderState
from telemetry.audit.spool.owner import Owner
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.format.proof.merkle import Frontier, leaf_hash
from tests.property.genuine import bounded, folder
from tests.property.hostile import MAX_SHOWN, altered_bytes, fuzz, noise, texts, values
from tests.support.leftovers import leave_segment, owner, records

COUNT = 30
_TABLES = ("batch_a", "batch_b", "note")


class GenuineSegments(NamedTuple):
    """What two killed processes of a service left: a sealed segment, and one of the format before.

    Attributes:
        files: Content by name.
        values: Values of their events.
    """

    files: dict[str, bytes]
    values: Counter[bytes]

    def __repr__(self) -> str:
        return "GenuineSegments()"


@functools.cache
def segments() -> GenuineSegments:
    values: Counter[bytes] = Counter()
    with folder() as where:
        for is_sealed in (True, False):
            logged = records(COUNT)
            tree = Frontier()
            for record in logged:
                tree.append(leaf_hash(record.value))
            state = TreeState(logged[0].producer, COUNT, tree.to_bytes())
            leave_segment(where, logged, tree=state, of=owner(is_sealed=is_sealed))
            values.update(record.value for record in logged)
        files = {path.name: path.read_bytes() for path in where.iterdir()}
    return GenuineSegments(files, values)


@functools.cache
def own() -> Owner:
    return owner(is_sealed=True)


def contents(*, is_log: bool) -> list[bytes]:
    return [content for name, content in sorted(segments().files.items()) if name.endswith("-wal") is is_log]


packed = values.map(lambda value: msgspec.msgpack.encode(value) if _fits(value) else b"")
cells = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), texts, noise, packed)


def _fits(value: Any) -> bool:
    try:
        msgspec.msgpack.encode(value)
    except (OverflowError, ValueError, TypeError):
        return False
    return True


@st.composite
def altered_databases(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw a segment in which rows are others, as anyone who may write the file can make it; and its log."""
    at = draw(st.integers(0, 1))
    with folder() as where:
        path = where / "segment"
        path.write_bytes(contents(is_log=False)[at])
        log = Path(f"{path}-wal")
        log.write_bytes(contents(is_log=True)[at])
        with closing(sqlite3.connect(path)) as connection:
            for _ in range(draw(st.integers(1, 3))):
                # What a change before it made impossible is not made; others are.
                with contextlib.suppress(sqlite3.Error):
                    _alter(draw, connection)
            connection.commit()
            if draw(st.booleans()):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return path.read_bytes(), log.read_bytes() if log.exists() else b""


SCHEMA_CHANGES = (
    "CREATE TRIGGER t AFTER DELETE ON {0} BEGIN INSERT INTO {0} VALUES (1, zeroblob(1000000), 0); END",
    "CREATE TABLE extra (a)",
    "CREATE VIEW extra AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c",
    "ALTER TABLE {0} RENAME TO other",
    "ALTER TABLE {0} ADD COLUMN more",
    "DROP TABLE {0}",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = -1",
)


def _alter(draw: st.DrawFn, connection: sqlite3.Connection) -> None:
    table = draw(st.sampled_from(_TABLES))
    name, content = ("name", "content") if table == "note" else ("first", "records")
    rows = connection.execute(f"SELECT {name}, {content} FROM {table}").fetchall()  # noqa: S608 - constants
    change = draw(st.sampled_from(["bytes", "bytes", "cell", "row", "schema"]))
    if change == "bytes" and rows and isinstance(rows[0][1], bytes):
        which, data = draw(st.sampled_from(rows))
        data = draw(altered_bytes(data))
        statement = f"UPDATE {table} SET {content} = ?, crc = ? WHERE {name} = ?"  # noqa: S608
        connection.execute(statement, (data, zlib.crc32(data), which))
    elif change == "cell":
        column = draw(st.sampled_from([name, content, "crc"]))
        connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (draw(cells),))  # noqa: S608
    elif change == "row":
        data = draw(st.one_of(packed, noise))
        which = draw(texts) if table == "note" else draw(st.integers(-(2**63), 2**63 - 1))
        statement = f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)"  # noqa: S608
        connection.execute(statement, (which, data, zlib.crc32(data)))
    else:
        connection.execute(draw(st.sampled_from(SCHEMA_CHANGES)).format(table))


class Planted(NamedTuple):
    """A file in the folder, and its log."""

    name: str
    content: bytes
    log: bytes
    kind: str

    def __repr__(self) -> str:
        return f"Planted({self.name!r}, {self.kind}, {zlib.compress(self.content)!r}, {zlib.compress(self.log)!r})"[
            : MAX_SHOWN // 5
        ]


@st.composite
def planted(draw: st.DrawFn) -> Planted:
    """Draw what somebody put into the folder."""
    producers = [name.removesuffix(".spool") for name in segments().files if name.endswith(".spool")]
    name = draw(
        st.sampled_from(
            [
                "0198c0de-bbbb-7000-8000-000000000001.spool",
                "ffffffff-ffff-7fff-bfff-ffffffffffff.spool",
                ".spool",
                "x.spool",
                "x y\u202e\x1b.spool",
                "copy.spool-journal",
                "x.spool-wal",
                *(f"{producer}.damaged" for producer in producers),
                STATE_NAME,
            ]
        )
    )
    # A link or folder in place of the folder's state ends the start with a message.
    kinds = ["file"] if name == STATE_NAME else ["file", "file", "file", "file", "link", "folder", "fifo"]
    kind = draw(st.sampled_from(kinds))
    # A journal beside a genuine segment is absent: that segment is refused and stays, because SQLite would obey it.
    content, log = draw(
        st.one_of(
            altered_databases(),
            altered_databases(),
            st.tuples(
                st.one_of(noise, st.sampled_from(contents(is_log=False))),
                st.one_of(noise, st.sampled_from(contents(is_log=True))),
            ),
            st.tuples(altered_bytes(contents(is_log=False)[0]), altered_bytes(contents(is_log=True)[0])),
        )
    )
    return Planted(name, content, log, kind)


def _put(where: Path, plant: Planted) -> None:
    path = where / plant.name
    if plant.name in segments().files or path.exists():
        return
    if plant.kind == "folder":
        path.mkdir()
    elif plant.kind == "fifo":
        os.mkfifo(path, 0o600)
    elif plant.kind == "link":
        path.symlink_to(min(segments().files))
    else:
        path.write_bytes(plant.content)
        path.chmod(0o600)
    log = Path(f"{path}-wal")
    if plant.log and not log.exists() and plant.name.endswith(".spool"):
        log.write_bytes(plant.log)
        log.chmod(0o600)


@fuzz(25)
@given(st.lists(planted(), max_size=4))
def test_own_segments_are_sent_among_any_files(plants: list[Planted]) -> None:
    with folder() as where, bounded():
        for name, content in segments().files.items():
            (where / name).write_bytes(content)
            (where / name).chmod(0o600)
        for plant in plants:
            _put(where, plant)
        keys = own().keys
        assert isinstance(keys, StorageKeys)
        state = FolderState(where, keys.secrets)
        adopted = adopt_segments(where, own(), state=state)
        sent: Counter[bytes] = Counter()
        for segment in adopted:
            chunks = [record for chunk in segment.records(lambda _segment: []) for record in chunk]
            sent.update(record.value for record in chunks)
            segment.acknowledge(chunks)
            segment.close()
    assert all(sent[value] >= count for value, count in segments().values.items())

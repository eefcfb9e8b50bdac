"""Producers are divided among processes by their rows."""

from __future__ import annotations

from pathlib import Path

from telemetry.archive.verifying.planning import ArchiveIndex
from telemetry.storage import StorageProviderFactory
from tests.support.archived_trail import ArchivedTrail
from tests.support.same_report import in_places
from tests.support.written_trail import Process, topic


def indexed(folder: Path) -> tuple[ArchiveIndex, list[str]]:
    trail = ArchivedTrail(folder / "archive", group_rows=50)
    lives = [Process(number).run(90 if number < 6 else 20) for number in range(1, 8)]
    trail.append(in_places(topic([record for life in lives for record in life])))
    names = list(trail.live)
    with StorageProviderFactory.create(trail.storage) as store:
        return ArchiveIndex(store, [*names, "events/data/day=2026-01-02/absent-0.parquet"]), names


def test_shares_have_about_as_many_rows(tmp_path: Path) -> None:
    index, _ = indexed(tmp_path)
    one, other = index.divide(2)
    assert one | other == {Process(number).producer for number in range(1, 8)}
    assert not one & other
    assert {len(one), len(other)} == {2, 5} or {len(one), len(other)} == {3, 4}


def test_more_shares_than_producers(tmp_path: Path) -> None:
    index, _ = indexed(tmp_path)
    assert sorted(len(share) for share in index.divide(50)) == [1] * 7


def test_some_producers_only(tmp_path: Path) -> None:
    index, _ = indexed(tmp_path)
    assert index.divide(2, only={Process(3).producer}) == [frozenset({Process(3).producer})]
    assert index.divide(2, only=()) == []


def test_row_groups_of_a_share(tmp_path: Path) -> None:
    index, (name,) = indexed(tmp_path)
    assert index.groups_of(name, frozenset({Process(1).producer}), has_rest=False) == (0, 1)
    assert index.groups_of(name, frozenset({"nobody"}), has_rest=True) == ()


def test_file_that_cannot_be_read_belongs_to_the_rest(tmp_path: Path) -> None:
    index, _ = indexed(tmp_path)
    absent = "events/data/day=2026-01-02/absent-0.parquet"
    assert index.groups_of(absent, frozenset(), has_rest=True) is None
    assert index.groups_of(absent, frozenset(), has_rest=False) == ()

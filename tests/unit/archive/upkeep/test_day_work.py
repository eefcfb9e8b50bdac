from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from telemetry.archive.upkeep import day_work
from telemetry.archive.upkeep.compaction import Compaction, compact_day
from telemetry.archive.upkeep.day_work import rewrite_day
from telemetry.archive.upkeep.row_change import RowChange, Unchanged
from telemetry.exceptions import ArchiveConflictError, ArchiveError
from telemetry.format.archive.seal import SealKind
from telemetry.reader.seals.store import SealStore
from tests.support.kept_archive import KeptArchive

DAY = "2026-01-02"


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path)
    kept.log(commits=2)
    return kept


class Meanwhile(Unchanged):
    """Keeps the rows, and lets something happen once they are read."""

    def __init__(self, happenings: list[object]) -> None:
        super().__init__()
        self._happenings = happenings

    def changed(self, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
        yield from super().changed(rows)
        if self._happenings:
            self._happenings.pop(0)()  # type: ignore[operator]


class MeanwhileCompaction(Compaction):
    """A compaction during which other commits happen.

    Args:
        happenings: What happens, one for each attempt.
    """

    def __init__(self, *happenings: object) -> None:
        super().__init__(max_bytes=1 << 27)
        self._happenings = list(happenings)

    def change(self) -> RowChange:
        return Meanwhile(self._happenings)


def compact_otherwise(archive: KeptArchive) -> None:
    with archive.opened() as opened:
        compact_day(opened, Compaction(max_bytes=1 << 27), DAY)


def kinds(archive: KeptArchive) -> list[str]:
    with archive.store() as store:
        seals = SealStore(store)
        return [str(seals.read(number).seal.kind) for number in range((seals.last_number() or 0) + 1)]


def test_append_meanwhile_comes_first(archive: KeptArchive) -> None:
    work = MeanwhileCompaction(lambda: archive.log(commits=2))

    with archive.opened() as opened:
        seal = rewrite_day(opened, work, DAY)

    assert seal is not None
    assert (seal.kind, len(seal.removed)) == (SealKind.COMPACT, 2)
    assert kinds(archive) == ["append"] * 4 + ["compact"]
    assert archive.places().total() == 90
    archive.require_whole()
    archive.require_table()


def test_compaction_meanwhile_has_it_begin_again(archive: KeptArchive) -> None:
    def happens() -> None:
        compact_otherwise(archive)
        archive.log(commits=2)

    with archive.opened() as opened:
        seal = rewrite_day(opened, MeanwhileCompaction(happens), DAY)

    assert seal is not None
    assert len(seal.removed) == 3
    assert archive.places().total() == 90
    archive.require_whole()
    archive.require_table()


def test_nothing_is_left_for_the_slower_one(archive: KeptArchive) -> None:
    with archive.opened() as opened:
        assert rewrite_day(opened, MeanwhileCompaction(lambda: compact_otherwise(archive)), DAY) is None

    with archive.store() as store:
        files = [stored.name for stored in store.list("events/data/")]
    assert len(files) == 3, "its own file is deleted, the replaced ones wait for the clean-up"
    archive.require_whole()


def test_inputs_that_are_deleted_meanwhile_are_no_tampering(archive: KeptArchive) -> None:
    state = archive.state()

    class Stale(Compaction):
        def inputs(self, _state: object, day: str) -> Sequence[object]:  # type: ignore[override]
            if stale:
                return stale.pop()
            return super().inputs(archive.state(), day)

    stale = [[file for file in state.live.files() if file.day == DAY]]
    compact_otherwise(archive)
    with archive.store() as store:
        for file in stale[0]:
            store.delete(file.name)

    with archive.opened() as opened:
        assert rewrite_day(opened, Stale(max_bytes=1 << 27), DAY) is None


def test_it_gives_up_after_some_attempts(archive: KeptArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    def happens() -> None:
        compact_otherwise(archive)
        archive.log(commits=1, events=4)

    monkeypatch.setattr(day_work, "_ATTEMPTS", 2)
    with archive.opened() as opened, pytest.raises(ArchiveConflictError, match="each time"):
        rewrite_day(opened, MeanwhileCompaction(*[happens] * 2), DAY)

    archive.require_whole()


def test_wrong_outcome_is_not_sealed(archive: KeptArchive) -> None:
    class Losing(Unchanged):
        def changed(self, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
            for number, table in enumerate(super().changed(rows)):
                yield table if number else table.slice(1)

    class LosingCompaction(Compaction):
        def change(self) -> RowChange:
            return Losing()

    number = archive.state().seal.number
    with archive.opened() as opened, pytest.raises(ArchiveError, match="nothing was changed"):
        rewrite_day(opened, LosingCompaction(max_bytes=1 << 27), DAY)

    assert archive.state().seal.number == number
    with archive.store() as store:
        assert {stored.name for stored in store.list("events/data/")} == set(archive.state().live)

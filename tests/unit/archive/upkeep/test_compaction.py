from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from telemetry.archive.upkeep.compaction import Compaction, closed_until, compact_day
from telemetry.exceptions import TamperedError
from telemetry.format.archive.live_files import LiveFile, LiveFiles
from telemetry.format.archive.seal import SealedFile, SealKind
from telemetry.format.archive.succession import ArchiveState
from tests.support.kept_archive import KeptArchive
from tests.support.written_trail import Process

DAY = "2026-01-02"


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    return KeptArchive(tmp_path)


def compact(archive: KeptArchive, *, max_bytes: int = 1 << 27, day: str = DAY) -> int:
    """Compact a day, and return how many files it has then."""
    with archive.opened() as opened:
        compact_day(opened, Compaction(max_bytes=max_bytes), day)
    return sum(file.day == day for file in archive.state().live.files())


def test_day_becomes_one_sorted_file(archive: KeptArchive) -> None:
    archive.log()
    archive.log()
    before = archive.places()

    assert compact(archive) == 1

    assert archive.places() == before
    assert archive.state().seal.kind is SealKind.COMPACT
    rows = archive.rows()
    assert [(row["producer"], row["sequence"]) for row in rows] == sorted((r["producer"], r["sequence"]) for r in rows)
    archive.require_whole()
    archive.require_table()


def test_late_events_are_merged_with_a_file_that_is_not_full(archive: KeptArchive) -> None:
    archive.log(commits=2)
    compact(archive)
    number = archive.state().seal.number
    assert compact(archive) == 1
    assert archive.state().seal.number == number, "a day that is one file is left alone"
    archive.log(commits=1)

    assert compact(archive) == 1
    archive.require_whole()


def wanted(*sizes: tuple[int, int]) -> list[int]:
    """Return which of the files of a day would be merged, by writer and size; 100 bytes are full."""
    files = [
        SealedFile(
            name=f"events/data/day={DAY}/018f3b1c-0000-7000-8000-{writer:012d}-{number}.parquet",
            sha256="",
            size=size,
            rows=1,
            day=DAY,
        )
        for number, (writer, size) in enumerate(sizes)
    ]
    live = LiveFiles(LiveFile(file, 0) for file in files)
    chosen = Compaction(max_bytes=100).inputs(ArchiveState(None, "", live), DAY)  # type: ignore[arg-type]
    return sorted(files.index(file) for file in chosen)


def test_small_files_are_merged() -> None:
    assert wanted((1, 10), (2, 10), (3, 10)) == [0, 1, 2]
    assert wanted((1, 10)) == []


def test_late_events_do_not_rewrite_full_files() -> None:
    assert wanted((1, 100), (1, 90), (1, 20), (2, 10)) == [2, 3]
    assert wanted((1, 100), (1, 90), (2, 10)) == []


def test_large_files_of_several_commits_are_merged() -> None:
    assert wanted((1, 100), (2, 90), (3, 10)) == [0, 1, 2]


def test_only_closed_days_are_looked_at(archive: KeptArchive) -> None:
    archive.log(commits=2)
    compaction = Compaction(max_bytes=1 << 27)

    assert [each.day for each in compaction.days(archive.state(), until=date(2026, 1, 3))] == [DAY]
    assert compaction.days(archive.state(), until=date(2026, 1, 2)) == []
    now = datetime(2026, 1, 4, 0, 30, tzinfo=UTC)
    assert (closed_until(now, after_days=1), closed_until(now, after_days=2)) == (date(2026, 1, 3), date(2026, 1, 2))


def test_records_of_every_kind_stay(archive: KeptArchive) -> None:
    process = Process(9, leaves=True)
    records = process.run(20)
    for value in (None, b"rubbish", b"", b'{"specversion":"1.0"}', records[0].value):
        records.append(records[0]._replace(value=value, key=b"k"))
    archive.records(records, commits=5)
    before = sorted((row["kind"], row["offset"], row["value"] or b"") for row in archive.rows())

    days = {file.day for file in archive.state().live.files()}
    for day in sorted(days):
        compact(archive, day=day)

    assert sorted((row["kind"], row["offset"], row["value"] or b"") for row in archive.rows()) == before
    archive.require_table()


@pytest.mark.parametrize("forgery", ["bit", "other"])
def test_altered_file_is_not_compacted(archive: KeptArchive, forgery: str) -> None:
    archive.log(commits=2)
    archive.require_table()
    one, other = archive.state().live.files()
    path = Path(str(archive.storage.base_path)) / one.name
    data = path.read_bytes()
    changed = {
        "bit": data[:500] + bytes([data[500] ^ 1]) + data[501:],
        "other": (path.parent / Path(other.name).name).read_bytes(),
    }
    path.write_bytes(changed[forgery])
    number = archive.state().seal.number

    with pytest.raises(TamperedError, match=r"is not rewritten.*telemetry verify"):
        compact(archive)

    assert archive.state().seal.number == number
    assert len(archive.state().live) == 2


def test_forged_last_seal_ends_it(archive: KeptArchive, tmp_path: Path) -> None:
    archive.log(commits=2)
    (tmp_path / "other").mkdir()
    stranger = KeptArchive(tmp_path / "other", storage=archive.storage)
    stranger.trail._state, stranger.trail._files = archive.state(), 50
    record = Process(8).log()
    stranger.trail.append([record._replace(place=record.place._replace(partition=0, offset=45))])

    with pytest.raises(TamperedError, match="is not believed"):
        compact(archive)

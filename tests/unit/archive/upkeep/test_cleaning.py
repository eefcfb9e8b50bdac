from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uuid_utils

from telemetry.archive.upkeep.cleaning import Cleaned, clean
from telemetry.archive.upkeep.compaction import Compaction, compact_day
from tests.support.kept_archive import KeptArchive

DAY = "2026-01-02"


@pytest.fixture
def archive(tmp_path: Path) -> KeptArchive:
    kept = KeptArchive(tmp_path, keep_removed_seconds=3_600)
    kept.log(commits=2)
    return kept


def compact(archive: KeptArchive) -> None:
    with archive.opened() as opened:
        compact_day(opened, Compaction(max_bytes=1 << 27), DAY)


def cleaned(archive: KeptArchive, *, later: timedelta = timedelta(), dry_run: bool = False) -> Cleaned:
    with archive.opened() as opened:
        return clean(opened, now=datetime.now(UTC) + later, dry_run=dry_run)


def data_files(archive: KeptArchive) -> set[str]:
    with archive.store() as store:
        return {stored.name for stored in store.list("events/data/")}


def put(archive: KeptArchive, name: str) -> str:
    with archive.store() as store:
        store.put(name, b"rows")
    return name


def test_replaced_files_go_when_readers_had_time(archive: KeptArchive) -> None:
    compact(archive)

    assert cleaned(archive) == Cleaned(waiting=2)
    assert len(data_files(archive)) == 3
    assert cleaned(archive, later=timedelta(minutes=61)).deleted == 2
    assert data_files(archive) == set(archive.state().live)
    archive.require_whole()


def test_dry_run_deletes_nothing(archive: KeptArchive) -> None:
    compact(archive)

    assert cleaned(archive, later=timedelta(minutes=61), dry_run=True).deleted == 2
    assert len(data_files(archive)) == 3


def test_leftovers_of_a_crash_go_after_a_day(archive: KeptArchive) -> None:
    name = put(archive, f"events/data/day={DAY}/{uuid_utils.uuid7()}-0.parquet")

    assert cleaned(archive, later=timedelta(hours=23)) == Cleaned(waiting=1)
    assert cleaned(archive, later=timedelta(hours=25)).deleted == 1
    assert name not in data_files(archive)
    archive.require_whole()


@pytest.mark.parametrize("name", ["events/data/day=2026-01-02/00000-0-x.parquet", "events/data/notes.txt"])
def test_files_of_other_names_stay(archive: KeptArchive, name: str) -> None:
    put(archive, name)

    assert cleaned(archive, later=timedelta(days=400)) == Cleaned(foreign=1)
    assert name in data_files(archive)


def test_live_files_stay_however_old(archive: KeptArchive) -> None:
    assert cleaned(archive, later=timedelta(days=4_000)) == Cleaned()
    archive.require_whole()


def test_longer_time_for_readers_is_kept(archive: KeptArchive) -> None:
    patient = archive.copied(keep_removed_seconds=7 * 86_400)
    compact(patient)

    assert cleaned(patient, later=timedelta(days=6)) == Cleaned(waiting=2)
    assert cleaned(patient, later=timedelta(days=8)).deleted == 2
